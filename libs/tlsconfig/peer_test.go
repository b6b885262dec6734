package tlsconfig_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

func TestCheckPeer_EndsWithTheCertificate(t *testing.T) {
	t.Parallel()
	now := &clock{now: start()}
	ca := newCA(t, "clients")
	good := certify(t, person(func(c *x509.Certificate) { c.NotAfter = start().Add(time.Minute) }), nil, ca)
	m := openWith(t, asking(tlsconfig.ClientsRequired, authoritiesFile(t, ca)), tlsconfig.Options{Now: now.read})
	state := tls.ConnectionState{PeerCertificates: []*x509.Certificate{good.certificate}, VerifiedChains: [][]*x509.Certificate{{good.certificate, ca.certificate}}}
	require.NoError(t, m.CheckPeer(t.Context(), &state))
	now.set(start().Add(2 * time.Minute))
	require.ErrorContains(t, m.CheckPeer(t.Context(), &state), "is valid from")
	off := openWith(t, tlsconfig.Config{}, tlsconfig.Options{})
	require.Error(t, off.CheckPeer(t.Context(), &state), "a listener that does not ask accepts none")
}

// verdicts is a StatusChecker that says what a test wants.
type verdicts struct{ err error }

func (v verdicts) Check(context.Context, []*x509.Certificate) error { return v.err }

func TestCheckPeer_AsksForTheStatus(t *testing.T) {
	t.Parallel()
	ca := newCA(t, "clients")
	good := certify(t, person(), nil, ca)
	revoked := errors.New("revoked")
	m := openWith(t, asking(tlsconfig.ClientsRequested, authoritiesFile(t, ca)), tlsconfig.Options{Status: verdicts{revoked}})
	address := serve(t, m.ServerConfig())
	_, err := enter(t, address, showing(t, m, good))
	require.Error(t, err)
	_, err = enter(t, address, showing(t, m))
	require.NoError(t, err)
	state := tls.ConnectionState{PeerCertificates: []*x509.Certificate{good.certificate}, VerifiedChains: [][]*x509.Certificate{{good.certificate, ca.certificate}}}
	require.ErrorIs(t, m.CheckPeer(t.Context(), &state), revoked)
}

func TestCheckPeer_AllocatesNothing(t *testing.T) { //nolint:paralleltest // allocations are counted for the whole process
	ca := signing(t)
	status := newStatusServer(t, ca)
	m := openWith(t, asking(tlsconfig.ClientsRequired, authoritiesFile(t, ca)), tlsconfig.Options{Status: checking(t, "", nil)})
	leaf := status.person(t, ca, "/ocsp", "/crl")
	state := &tls.ConnectionState{
		PeerCertificates: []*x509.Certificate{leaf.certificate}, VerifiedChains: [][]*x509.Certificate{{leaf.certificate, ca.certificate}},
	}
	ctx := t.Context()
	require.NoError(t, m.CheckPeer(ctx, state))
	assert.Zero(t, testing.AllocsPerRun(100, func() { _ = m.CheckPeer(ctx, state) }))
}
