package tlsconfig

import (
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"
)

// mixedLifetime is the whole life of a leaf that is issued in mode mixed. It names no responder, and peers elsewhere that insist on a status accept
// that from certificates of at most seven days.
const mixedLifetime = 7*24*time.Hour - backdate

// mixed issues leaf certificates from an authority whose certificate and key somebody else keeps in files.
type mixed struct {
	files     external // of the issuer
	dnsNames  []string
	addresses []net.IP
	client    bool

	chain []*x509.Certificate // of the issuer, as of the last load
	next  time.Time           // when to load again although the files are the same
}

func newMixed(c Config, o Options) *mixed {
	x := &mixed{
		files:    external{certificate: c.IssuerCertificate.String(), key: c.IssuerKey.String(), policy: o.Secrets},
		dnsNames: c.DNSNames, client: o.Client,
	}
	for _, text := range c.IPAddresses {
		x.addresses = append(x.addresses, net.ParseIP(text))
	}
	return x
}

// stale says whether it is time for a new certificate, or whether the authority is another one.
func (x *mixed) stale(now time.Time) bool { return !now.Before(x.next) || x.files.stale(now) }

// load reads the authority and issues a certificate with a new key.
func (x *mixed) load(now time.Time) (*tls.Certificate, error) {
	x.next = now.Add(retryAfter)
	x.files.seen = x.files.digest()
	issuer, chain, err := x.issuer(now)
	if err != nil {
		return nil, err
	}
	key, err := newKey(elliptic.P256())
	if err != nil {
		return nil, err
	}
	leaf, err := issueLeaf(issuer, key, x.dnsNames, x.addresses, leafProfile{mixedLifetime, x.client}, now)
	if err != nil {
		return nil, err
	}
	if err := verifyIssued(leaf, chain, now); err != nil {
		return nil, fmt.Errorf("issuer certificate %s: clients would refuse what it issues: %w", x.files.certificate, err)
	}
	served := &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
	for _, c := range chain {
		if !selfIssued(c) { // clients have the root or nothing (RFC 8446 section 4.4.2)
			served.Certificate = append(served.Certificate, c.Raw)
		}
	}
	x.chain, x.next = chain, renewAt(leaf)
	return served, nil
}

// anchors are the issuer's chain.
func (x *mixed) anchors() []*x509.Certificate { return x.chain }

// authority is the issuer, not its root, under which others issue too.
func (x *mixed) authority() *x509.Certificate { return x.chain[0] }

// issuer reads and checks the authority.
func (x *mixed) issuer(now time.Time) (authority, []*x509.Certificate, error) {
	chain, err := ReadCertificates(x.files.certificate)
	if err != nil {
		return authority{}, nil, fmt.Errorf("issuer certificate: %w", err)
	}
	if err := checkIssuer(chain, now); err != nil {
		return authority{}, nil, fmt.Errorf("issuer certificate %s: %w", x.files.certificate, err)
	}
	key, err := readKey(x.files.key, x.files.policy)
	if err != nil {
		return authority{}, nil, fmt.Errorf("issuer key: %w", err)
	}
	if !samePublic(key.Public(), chain[0].PublicKey) {
		return authority{}, nil, fmt.Errorf("issuer key %s does not belong to the certificate in %s", x.files.key, x.files.certificate)
	}
	return authority{chain[0], key}, chain, nil
}

// checkIssuer refuses a chain that cannot issue certificates for servers.
func checkIssuer(chain []*x509.Certificate, now time.Time) error {
	if err := checkOrder(chain, now); err != nil {
		return err
	}
	issuer := chain[0]
	switch {
	case !issuer.IsCA:
		return errors.New("is not of an authority: its basic constraints lack CA")
	case issuer.KeyUsage != 0 && issuer.KeyUsage&x509.KeyUsageCertSign == 0:
		return errors.New("cannot issue certificates: its key usage lacks keyCertSign")
	}
	return checkPublic(issuer.PublicKey)
}

// verifyIssued verifies a new leaf up to the last certificate of its issuer's chain, so that an authority that was made for other names or purposes
// is found here and not by clients.
func verifyIssued(leaf *x509.Certificate, chain []*x509.Certificate, now time.Time) error {
	options := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: now,
	}
	options.Roots.AddCert(chain[len(chain)-1])
	for _, c := range chain[:len(chain)-1] {
		options.Intermediates.AddCert(c)
	}
	for _, use := range leaf.ExtKeyUsage {
		options.KeyUsages = []x509.ExtKeyUsage{use}
		if _, err := leaf.Verify(options); err != nil {
			return err
		}
	}
	return nil
}

// selfIssued says whether a certificate is a root.
func selfIssued(c *x509.Certificate) bool { return slices.Equal(c.RawSubject, c.RawIssuer) }
