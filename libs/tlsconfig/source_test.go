package tlsconfig_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// service is a Source that a test controls.
type service struct {
	mu       sync.Mutex
	give     func(names []string, current *tls.Certificate) (*tls.Certificate, error)
	asked    int
	names    []string
	previous *tls.Certificate
}

func (s *service) Obtain(ctx context.Context, names []string, current *tls.Certificate) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	s.names, s.previous = names, current
	if _, bounded := ctx.Deadline(); !bounded {
		return nil, errors.New("without a deadline")
	}
	return s.give(names, current)
}

func (s *service) set(give func([]string, *tls.Certificate) (*tls.Certificate, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.give = give
}

func (s *service) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// bundle is a certificate as a source gives it.
func bundle(chain ...*issued) *tls.Certificate {
	c := &tls.Certificate{PrivateKey: chain[0].key}
	for _, link := range chain {
		c.Certificate = append(c.Certificate, link.certificate.Raw)
	}
	return c
}

func away([]string, *tls.Certificate) (*tls.Certificate, error) {
	return nil, errors.New("connection refused")
}

func TestSource_GivesTheCertificateOnceItCan(t *testing.T) {
	t.Parallel()
	begin := start()
	now := &clock{now: begin}
	ca := newCA(t, "service")
	s := &service{give: away}
	m := openWith(t, tlsconfig.Config{}, tlsconfig.Options{Source: s, Now: now.read, Poll: time.Millisecond})
	own := m.NotAfter()
	run(t, m.Run)
	require.Eventually(t, func() bool { return s.count() == 1 }, 20*time.Second, time.Millisecond)
	require.Never(t, func() bool { return s.count() > 1 }, 20*time.Millisecond, 5*time.Millisecond, "a source that is away is not pressed")
	assert.Equal(t, own, m.NotAfter(), "the service starts without it")

	addresses := presented(t, m)[0].IPAddresses
	life := func(from, to time.Duration) *tls.Certificate {
		return bundle(certify(t, server(func(c *x509.Certificate) {
			c.DNSNames, c.NotBefore, c.NotAfter = []string{"localhost"}, begin.Add(from), begin.Add(to)
			c.IPAddresses = addresses
		}), nil, ca))
	}
	first := life(0, 30*time.Minute)
	s.set(func([]string, *tls.Certificate) (*tls.Certificate, error) { return first, nil })
	now.set(begin.Add(6 * time.Minute))
	require.Eventually(t, func() bool { return m.NotAfter().Equal(begin.Add(30 * time.Minute)) }, 20*time.Second, time.Millisecond)
	assert.Contains(t, s.names, "localhost")
	assert.Nil(t, s.previous)
	require.NoError(t, m.Reload(), "the configured certificate is loaded")
	assert.WithinDuration(t, begin.Add(30*time.Minute), m.NotAfter(), 0, "and does not take its place")

	second := life(20*time.Minute, 50*time.Minute)
	s.set(func([]string, *tls.Certificate) (*tls.Certificate, error) { return second, nil })
	now.set(begin.Add(21 * time.Minute)) // two thirds
	require.Eventually(t, func() bool { return m.NotAfter().Equal(begin.Add(50 * time.Minute)) }, 20*time.Second, time.Millisecond)
	assert.Equal(t, first.Certificate, s.previous.Certificate)

	s.set(away)
	now.set(begin.Add(45 * time.Minute))
	asked := s.count()
	require.Eventually(t, func() bool { return s.count() > asked }, 20*time.Second, time.Millisecond)
	assert.WithinDuration(t, begin.Add(50*time.Minute), m.NotAfter(), 0, "it stays until it expires")
	now.set(begin.Add(51 * time.Minute))
	require.Eventually(t, func() bool { return m.NotAfter().After(begin.Add(time.Hour)) }, 20*time.Second, time.Millisecond, "then there is the configured one")
	assert.Contains(t, m.Expiry()[0].Subject, "cryptoutil server")
}

func TestSource_IsNotBelievedBlindly(t *testing.T) {
	t.Parallel()
	ca := newCA(t, "service")
	named := func(change func(*x509.Certificate)) *issued {
		return certify(t, server(func(c *x509.Certificate) {
			c.DNSNames = []string{"kms.example"}
			change(c)
		}), nil, ca)
	}
	good := named(func(*x509.Certificate) {})
	for name, given := range map[string]*tls.Certificate{
		"nothing":       nil,
		"empty":         {},
		"garbage":       {Certificate: [][]byte{{1}}, PrivateKey: good.key},
		"another name":  bundle(named(func(c *x509.Certificate) { c.DNSNames = []string{"other.example"} })),
		"expired":       bundle(named(func(c *x509.Certificate) { c.NotAfter = start().Add(-time.Minute) })),
		"for clients":   bundle(named(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })),
		"wrong order":   bundle(good, named(func(*x509.Certificate) {})),
		"another's key": bundle(&issued{good.certificate, ca.key}),
		"no key":        {Certificate: [][]byte{good.certificate.Raw}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &service{give: func([]string, *tls.Certificate) (*tls.Certificate, error) { return given, nil }}
			m := openWith(t, tlsconfig.Config{DNSNames: []string{"kms.example"}}, tlsconfig.Options{Source: s, Poll: time.Millisecond})
			own := m.NotAfter()
			run(t, m.Run)
			require.Eventually(t, func() bool { return s.count() == 1 }, 20*time.Second, time.Millisecond)
			require.Never(t, func() bool { return !m.NotAfter().Equal(own) }, 20*time.Millisecond, 5*time.Millisecond)
			presented(t, m)
		})
	}
}

func TestOpenLoopback_IsForThisMachineWhateverElseIsServed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := newCA(t, "public")
	f := files{t.TempDir()}
	leaf := certify(t, server(), nil, ca)
	f.put(t, certificatePEM(leaf, ca), keyPEM(t, leaf.key))
	s := &service{give: away}
	o := tlsconfig.Options{Dir: dir, Source: s, Status: verdicts{errors.New("unused")}, Client: true}
	public, err := tlsconfig.Open(f.config("kms.example"), o)
	require.NoError(t, err)
	admin, err := tlsconfig.OpenLoopback(o)
	require.NoError(t, err)
	assert.NotEqual(t, public.RootFile(), admin.RootFile())
	chain := presented(t, admin)
	assert.Equal(t, []string{"localhost"}, chain[0].DNSNames)
	assert.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, chain[0].ExtKeyUsage)
	assert.Nil(t, admin.ServerConfig().GetConfigForClient)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	admin.Run(ctx)
	assert.Zero(t, s.count())
}
