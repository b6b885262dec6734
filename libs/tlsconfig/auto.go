package tlsconfig

import (
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"
)

// localhost is the name that every certificate of mode auto holds.
const localhost = "localhost"

// retryAfter is the pause after a renewal that failed.
const retryAfter = 5 * time.Minute

// auto issues leaf certificates from the hierarchy in a folder.
type auto struct {
	hierarchy hierarchy
	dnsNames  []string
	addresses []net.IP
	client    bool

	root *x509.Certificate // as of the first load; it never changes
	next time.Time         // when to load again
}

func newAuto(c Config, o Options, log *slog.Logger) (*auto, error) {
	a := &auto{
		hierarchy: hierarchy{folder: folder(o.Dir), dev: o.Dev, log: log},
		client:    o.Client,
		dnsNames:  []string{localhost},
		addresses: []net.IP{net.IPv4(127, 0, 0, 1).To4(), net.IPv6loopback},
	}
	for _, name := range c.DNSNames {
		if name = strings.ToLower(name); !slices.Contains(a.dnsNames, name) {
			a.dnsNames = append(a.dnsNames, name)
		}
	}
	for _, text := range c.IPAddresses {
		address := net.ParseIP(text)
		if !slices.ContainsFunc(a.addresses, address.Equal) {
			a.addresses = append(a.addresses, address)
		}
	}
	if o.Dev && len(a.dnsNames)+len(a.addresses) > 3 {
		return nil, errors.New("development mode serves localhost, 127.0.0.1 and ::1 only; remove the other names and addresses")
	}
	return a, nil
}

// stale says whether it is time for a new certificate.
func (a *auto) stale(now time.Time) bool { return !now.Before(a.next) }

// anchors is the root.
func (a *auto) anchors() []*x509.Certificate { return []*x509.Certificate{a.root} }

// authority is the root.
func (a *auto) authority() *x509.Certificate { return a.root }

// load issues a certificate with a new key and checks it as a client would.
func (a *auto) load(now time.Time) (*tls.Certificate, error) {
	a.next = now.Add(retryAfter)
	root, issuer, err := a.hierarchy.open(now)
	if err != nil {
		return nil, fmt.Errorf("TLS hierarchy in %s: %w", a.hierarchy.folder, err)
	}
	if a.root != nil && !a.root.Equal(root) {
		return nil, fmt.Errorf("TLS hierarchy in %s: its root was replaced while this process runs; restart it to use the new one", a.hierarchy.folder)
	}
	key, err := newKey(elliptic.P256())
	if err != nil {
		return nil, err
	}
	leaf, err := issueLeaf(issuer, key, a.dnsNames, a.addresses, leafProfile{leafLifetime, a.client}, now)
	if err != nil {
		return nil, err
	}
	if err := a.check(root, issuer.certificate, leaf, now); err != nil {
		return nil, fmt.Errorf("TLS hierarchy in %s: clients would refuse its certificates: %w", a.hierarchy.folder, err)
	}
	a.root, a.next = root, renewAt(leaf)
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw, issuer.certificate.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

// check verifies a new leaf, so that a hierarchy that was made for other names is found here and not by clients.
func (a *auto) check(root, intermediate, leaf *x509.Certificate, now time.Time) error {
	options := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: now}
	options.Roots.AddCert(root)
	options.Intermediates.AddCert(intermediate)
	if _, err := leaf.Verify(options); err != nil {
		if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.CANotAuthorizedForThisName {
			return fmt.Errorf("it was made in development mode and is good for localhost only (%w)", err)
		}
		return err
	}
	return nil
}
