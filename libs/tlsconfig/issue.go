package tlsconfig

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"net"
	"time"
)

// Lifetimes. Issuing starts a little in the past, for clocks that are behind.
const (
	rootLifetime         = 10 * 365 * 24 * time.Hour
	intermediateLifetime = 5 * 365 * 24 * time.Hour
	leafLifetime         = 30 * 24 * time.Hour
	backdate             = 5 * time.Minute
)

// authority can issue certificates.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// newKey makes a key: P-384 for authorities, P-256 for leaves.
func newKey(curve elliptic.Curve) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	return key, nil
}

// renewAt is when two thirds of a certificate's life have passed.
func renewAt(c *x509.Certificate) time.Time {
	return c.NotBefore.Add(c.NotAfter.Sub(c.NotBefore) / 3 * 2)
}

// issueRoot makes a root certificate for a key. Its name follows from the key, so that a root certificate made again for the same
// key is the same authority to clients that trust the first.
func issueRoot(key crypto.Signer, now time.Time) (*x509.Certificate, error) {
	template := &x509.Certificate{
		NotBefore: now.Add(-backdate), NotAfter: now.Add(rootLifetime),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, BasicConstraintsValid: true, IsCA: true, MaxPathLen: 1,
	}
	return issue(template, "cryptoutil root", authority{template, key}, key)
}

// issueIntermediate makes the certificate that issues leaves. A constrained one is good for localhost only (RFC 5280 section 4.2.1.10).
func issueIntermediate(root authority, key crypto.Signer, constrained bool, now time.Time) (*x509.Certificate, error) {
	template := &x509.Certificate{
		NotBefore: now.Add(-backdate), NotAfter: now.Add(intermediateLifetime),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if constrained {
		template.NotAfter = root.certificate.NotAfter // it cannot be renewed
		template.PermittedDNSDomainsCritical = true
		template.PermittedDNSDomains = []string{localhost}
		template.PermittedIPRanges = []*net.IPNet{
			{IP: net.IPv4(127, 0, 0, 1).To4(), Mask: net.CIDRMask(32, 32)},
			{IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)},
		}
	}
	return issue(template, "cryptoutil intermediate", root, key)
}

// leafProfile is what leaves differ in.
type leafProfile struct {
	lifetime time.Duration
	client   bool // it is for outgoing connections as well
}

// issueLeaf makes a server certificate.
func issueLeaf(issuer authority, key crypto.Signer, dnsNames []string, addresses []net.IP, p leafProfile, now time.Time) (*x509.Certificate, error) {
	template := &x509.Certificate{
		NotBefore: now.Add(-backdate), NotAfter: now.Add(p.lifetime),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
		DNSNames: dnsNames, IPAddresses: addresses,
	}
	if p.client {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	return issue(template, "cryptoutil server", issuer, key)
}

// issue names, signs and parses a certificate that does not outlive its issuer. Serial number and key identifiers are the library's
// (random; truncated SHA-256, RFC 7093 section 2).
func issue(template *x509.Certificate, name string, issuer authority, key crypto.Signer) (*x509.Certificate, error) {
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	sum := sha256.Sum256(public)
	template.Subject = pkix.Name{Organization: []string{"cryptoutil"}, CommonName: name + " " + hex.EncodeToString(sum[:4])}
	if template.NotAfter.After(issuer.certificate.NotAfter) {
		template.NotAfter = issuer.certificate.NotAfter
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.certificate, key.Public(), issuer.key)
	if err != nil {
		return nil, fmt.Errorf("issue certificate: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("parse issued certificate: %w", err)
	}
	return certificate, nil
}
