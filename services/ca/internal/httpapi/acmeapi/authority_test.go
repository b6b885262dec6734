package acmeapi_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/acme"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

// authority is an issuer in memory that replicas share, with two roots that certify the same intermediate.
type authority struct {
	key     *ecdsa.PrivateKey
	issuers []*x509.Certificate // the same name and key, certified by different roots

	mu       sync.Mutex
	issued   map[string]*certificate // by serial
	failures int                     // how often Issue fails before it succeeds
	refusal  error                   // what Issue or Permits says for good
	delay    chan struct{}           // Issue waits for it, where it is set
	calls    int
	life     time.Duration
}

type certificate struct {
	leaf    *x509.Certificate
	revoked bool
	reason  int
	ask     acme.Issuance
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	a := &authority{key: key, issued: map[string]*certificate{}, life: 24 * time.Hour}
	for _, name := range []string{"root one", "root two"} {
		root, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		template := &x509.Certificate{
			SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "issuing CA"}, Issuer: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
		}
		parent := &x509.Certificate{Subject: pkix.Name{CommonName: name}, SubjectKeyId: []byte(name)}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), root)
		require.NoError(t, err)
		c, err := x509.ParseCertificate(der)
		require.NoError(t, err)
		a.issuers = append(a.issuers, c)
	}
	return a
}

func (a *authority) Permits(_ context.Context, application acme.Application) error {
	for _, i := range application.Names {
		if i.Value == "forbidden.example" || i.Value == "forbidden.example.com" {
			p := acme.NewError(acme.RejectedIdentifier, "the profile does not allow the name")
			p.Identifier = &i
			return p
		}
	}
	return nil
}

func (a *authority) Issue(ctx context.Context, ask acme.Issuance, stored func(context.Context, string) error) error {
	serial, made, err := a.sign(ctx, ask)
	if err != nil {
		return err
	}
	a.tune(func(a *authority) { a.issued[serial] = made })
	if err := stored(ctx, serial); err != nil {
		a.tune(func(a *authority) { delete(a.issued, serial) })
		return err
	}
	return nil
}

// sign makes a certificate.
func (a *authority) sign(ctx context.Context, ask acme.Issuance) (string, *certificate, error) {
	a.mu.Lock()
	delay := a.delay
	a.mu.Unlock()
	if delay != nil {
		select {
		case <-delay:
		case <-ctx.Done():
			return "", nil, ctx.Err()
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls++
	if a.refusal != nil {
		return "", nil, a.refusal
	}
	if a.failures > 0 {
		a.failures--
		return "", nil, errors.New("canary-internal: the signer is away")
	}
	request, err := x509.ParseCertificateRequest(ask.CSR)
	if err != nil {
		return "", nil, err
	}
	number := make([]byte, 16)
	if _, err := rand.Read(number); err != nil {
		return "", nil, err
	}
	number[0] = number[0]&0x7f | 0x40
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(number), NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(a.life), AuthorityKeyId: a.issuers[0].SubjectKeyId,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, i := range ask.Names {
		if i.Type == validation.TypeIP {
			template.IPAddresses = append(template.IPAddresses, net.ParseIP(i.Value))
		} else {
			template.DNSNames = append(template.DNSNames, i.Value)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.issuers[0], request.PublicKey, a.key)
	if err != nil {
		return "", nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return "", nil, err
	}
	return hex.EncodeToString(number), &certificate{leaf: leaf, ask: ask}, nil
}

func (a *authority) Chains(_ context.Context, _, serial string) ([]acme.Chain, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c, ok := a.issued[serial]
	if !ok {
		return nil, acme.ErrNotFound
	}
	var chains []acme.Chain
	for _, issuer := range a.issuers {
		chains = append(chains, acme.Chain{c.leaf.Raw, issuer.Raw})
	}
	return chains, nil
}

func (a *authority) Certificate(_ context.Context, _, serial string) (acme.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c, ok := a.issued[serial]
	if !ok {
		return acme.Certificate{}, acme.ErrNotFound
	}
	return acme.Certificate{
		DER: c.leaf.Raw, AuthorityKeyID: c.leaf.AuthorityKeyId, NotBefore: c.leaf.NotBefore, NotAfter: c.leaf.NotAfter, Revoked: c.revoked,
	}, nil
}

func (a *authority) Revoke(_ context.Context, _, serial string, reason int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.issued[serial]
	if c.revoked {
		return acme.NewError(acme.AlreadyRevoked, "the certificate is revoked")
	}
	c.revoked, c.reason = true, reason
	return nil
}

// of is what is known of a certificate.
func (a *authority) of(leaf *x509.Certificate) certificate {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.issued {
		if c.leaf.Equal(leaf) {
			return *c
		}
	}
	return certificate{}
}

// tune changes how the authority behaves.
func (a *authority) tune(change func(*authority)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(a)
}
