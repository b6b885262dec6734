package acmeapi_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	xacme "golang.org/x/crypto/acme"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

// client is an ACME client of another project, without an account.
func (f *fixture) client(t *testing.T, directory string) *xacme.Client {
	t.Helper()
	return &xacme.Client{Key: newKey(t), HTTPClient: f.http, DirectoryURL: f.directory(directory), UserAgent: "test"}
}

// account is a client with an account.
func (f *fixture) account(t *testing.T, directory string) *xacme.Client {
	t.Helper()
	c := f.client(t, directory)
	_, err := c.Register(t.Context(), &xacme.Account{Contact: []string{"mailto:admin@example.com"}}, xacme.AcceptTOS)
	require.NoError(t, err)
	return c
}

// identifiers are those of DNS names and IP addresses.
func identifiers(names ...string) []xacme.AuthzID {
	var ids []xacme.AuthzID
	for _, name := range names {
		if net.ParseIP(name) != nil {
			ids = append(ids, xacme.IPIDs(name)...)
		} else {
			ids = append(ids, xacme.DomainIDs(name)...)
		}
	}
	return ids
}

// request makes a certificate signing request.
func request(t *testing.T, key crypto.Signer, names ...string) []byte {
	t.Helper()
	template := &x509.CertificateRequest{}
	for _, name := range names {
		if address := net.ParseIP(name); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	return requestOf(t, key, template)
}

func requestOf(t *testing.T, key crypto.Signer, template *x509.CertificateRequest) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	require.NoError(t, err)
	return der
}

func commonName(name string) pkix.Name { return pkix.Name{CommonName: name} }

// prove publishes what every pending authorization of an order wants, by a method where it is offered, and waits.
func (f *fixture) prove(ctx context.Context, c *xacme.Client, order *xacme.Order, method validation.Method) error {
	for _, url := range order.AuthzURLs {
		z, err := c.GetAuthorization(ctx, url)
		if err != nil {
			return err
		}
		if z.Status != xacme.StatusPending {
			continue
		}
		chosen := z.Challenges[0]
		for _, challenge := range z.Challenges {
			if challenge.Type == string(method) {
				chosen = challenge
			}
		}
		if err := f.show(c, z, chosen); err != nil {
			return err
		}
		if _, err := c.Accept(ctx, chosen); err != nil {
			return err
		}
		if _, err := c.WaitAuthorization(ctx, url); err != nil {
			return err
		}
	}
	return nil
}

// show publishes what a challenge wants.
func (f *fixture) show(c *xacme.Client, z *xacme.Authorization, challenge *xacme.Challenge) error {
	answer, err := c.HTTP01ChallengeResponse(challenge.Token)
	if err != nil {
		return err
	}
	text, err := c.DNS01ChallengeRecord(challenge.Token)
	if err != nil {
		return err
	}
	serverName := z.Identifier.Value
	if address := net.ParseIP(serverName); address != nil && challenge.Type == "tls-alpn-01" {
		serverName = "1.0.0.127.in-addr.arpa"
	}
	f.network.publish(func(n *network) {
		switch challenge.Type {
		case "http-01":
			n.files[c.HTTP01ChallengePath(challenge.Token)] = answer
		case "dns-01":
			name := "_acme-challenge." + strings.TrimPrefix(z.Identifier.Value, "*.")
			n.texts[name] = append(n.texts[name], text)
		case "tls-alpn-01":
			certificate, failed := c.TLSALPN01ChallengeCert(challenge.Token, z.Identifier.Value)
			n.certificates[serverName], err = &certificate, failed
		}
	})
	return err
}

// obtain orders a certificate and returns its chain.
func (f *fixture) obtain(ctx context.Context, t *testing.T, c *xacme.Client, method validation.Method, names ...string) ([]*x509.Certificate, string) {
	t.Helper()
	chain, url, err := f.order(ctx, c, method, request(t, newKey(t), names...), names...)
	require.NoError(t, err)
	return chain, url
}

func (f *fixture) order(ctx context.Context, c *xacme.Client, method validation.Method, csr []byte, names ...string) ([]*x509.Certificate, string, error) {
	order, err := c.AuthorizeOrder(ctx, identifiers(names...))
	if err != nil {
		return nil, "", err
	}
	if err := f.prove(ctx, c, order, method); err != nil {
		return nil, "", err
	}
	if order, err = c.WaitOrder(ctx, order.URI); err != nil {
		return nil, "", err
	}
	ders, url, err := c.CreateOrderCert(ctx, order.FinalizeURL, csr, true)
	if err != nil {
		return nil, "", err
	}
	chain, err := parse(ders)
	return chain, url, err
}

func parse(ders [][]byte) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	for _, der := range ders {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		chain = append(chain, c)
	}
	return chain, nil
}
