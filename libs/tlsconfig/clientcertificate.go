package tlsconfig

import (
	"bytes"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// ClientCertificate is a certificate with which a program of this installation authenticates, and its key.
type ClientCertificate struct {
	// Certificates is PEM: the leaf and then its issuer.
	Certificates []byte
	// Key is PEM, PKCS #8.
	Key []byte
	// Leaf is the first of Certificates.
	Leaf *x509.Certificate
}

// IssueClient issues a client certificate from the private hierarchy in o.Dir, which it makes if there is none. It names nobody: who presents
// it follows from what it is mapped to. Its life is at most that of the issuer.
func IssueClient(o Options, lifetime time.Duration) (ClientCertificate, error) {
	made, err := issueClient(o, lifetime)
	if err != nil {
		return ClientCertificate{}, fmt.Errorf("issue client certificate: %w", err)
	}
	return made, nil
}

func issueClient(o Options, lifetime time.Duration) (ClientCertificate, error) {
	if o.Dir == "" || lifetime <= 0 {
		return ClientCertificate{}, errors.New("a folder and a lifetime are needed")
	}
	log, now := o.Log, time.Now()
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if o.Now != nil {
		now = o.Now()
	}
	_, issuer, err := hierarchy{folder: folder(o.Dir), dev: o.Dev, log: log}.open(now)
	if err != nil {
		return ClientCertificate{}, fmt.Errorf("TLS hierarchy in %s: %w", o.Dir, err)
	}
	key, err := newKey(elliptic.P256())
	if err != nil {
		return ClientCertificate{}, err
	}
	leaf, err := issue(&x509.Certificate{
		NotBefore: now.Add(-backdate), NotAfter: now.Add(lifetime), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true,
	}, "cryptoutil client", issuer, key)
	if err != nil {
		return ClientCertificate{}, err
	}
	text, err := encodeKey(key)
	if err != nil {
		return ClientCertificate{}, err
	}
	return ClientCertificate{
		Certificates: bytes.Join([][]byte{encodeCertificate(leaf), encodeCertificate(issuer.certificate)}, nil), Key: text, Leaf: leaf,
	}, nil
}
