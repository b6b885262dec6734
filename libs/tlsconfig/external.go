package tlsconfig

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/config"
)

// minRSA is the shortest RSA modulus in bits (SP 800-131A rev. 2 section 3).
const minRSA = 2048

// external serves a certificate from files that somebody else replaces.
type external struct {
	certificate, key string
	names            []string
	policy           config.Policy
	seen             [sha256.Size]byte // digest of the files when they were loaded last, usable or not
	chain            []*x509.Certificate
}

// anchors are the chain: this installation's own commands know their server by it.
func (e *external) anchors() []*x509.Certificate { return e.chain }

// authority is nil: whoever issued the certificate issues for others too.
func (e *external) authority() *x509.Certificate { return nil }

// stale says whether the files have other contents than at the last load. Contents count, not times: symbolic links are swapped,
// and copies keep times.
func (e *external) stale(time.Time) bool { return e.digest() != e.seen }

// digest covers both files; one that cannot be read counts as empty.
func (e *external) digest() [sha256.Size]byte {
	h := sha256.New()
	for _, file := range []string{e.certificate, e.key} {
		text, _ := os.ReadFile(file) // load reports what is wrong with it
		sum := sha256.Sum256(text)
		h.Write(sum[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// load reads and checks the files.
func (e *external) load(now time.Time) (*tls.Certificate, error) {
	e.seen = e.digest()
	chain, err := ReadCertificates(e.certificate)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	if err := checkChain(chain, e.names, now); err != nil {
		return nil, fmt.Errorf("certificate %s: %w", e.certificate, err)
	}
	key, err := readKey(e.key, e.policy)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	if !samePublic(key.Public(), chain[0].PublicKey) {
		return nil, fmt.Errorf("key %s does not belong to the certificate in %s", e.key, e.certificate)
	}
	served := &tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, c := range chain {
		served.Certificate = append(served.Certificate, c.Raw)
	}
	e.chain = chain
	return served, nil
}

// checkChain refuses what clients would refuse: a wrong order, dates, names or purposes.
func checkChain(chain []*x509.Certificate, names []string, now time.Time) error {
	if err := checkOrder(chain, now); err != nil {
		return err
	}
	leaf := chain[0]
	if err := checkPublic(leaf.PublicKey); err != nil {
		return err
	}
	if len(leaf.ExtKeyUsage) > 0 && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth) && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny) {
		return errors.New("is not for servers: its extended key usage lacks serverAuth")
	}
	if leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return errors.New("cannot sign handshakes: its key usage lacks digitalSignature")
	}
	if len(namesOf(leaf)) == 0 {
		return errors.New("holds no DNS name or IP address as subject alternative name, which clients need")
	}
	for _, name := range names {
		if !slices.Contains(leaf.DNSNames, name) && leaf.VerifyHostname(name) != nil {
			return fmt.Errorf("is not for %s, only for %v", name, namesOf(leaf))
		}
	}
	return nil
}

// checkOrder refuses a chain whose dates or order are wrong.
func checkOrder(chain []*x509.Certificate, now time.Time) error {
	for i, c := range chain {
		switch {
		case now.Before(c.NotBefore):
			return fmt.Errorf("%s is not valid before %s (now: %s)", describe(c, i), stamp(c.NotBefore), stamp(now))
		case now.After(c.NotAfter):
			return fmt.Errorf("%s expired at %s (now: %s)", describe(c, i), stamp(c.NotAfter), stamp(now))
		case i > 0 && chain[i-1].CheckSignatureFrom(c) != nil:
			return fmt.Errorf("%s did not issue the one before it; put the leaf first, then each issuer after the certificate that it issued", describe(c, i))
		}
	}
	return nil
}

// describe names a certificate of a chain.
func describe(c *x509.Certificate, index int) string {
	if index == 0 {
		return fmt.Sprintf("the leaf certificate (%s)", c.Subject)
	}
	return fmt.Sprintf("certificate %d in the file (%s)", index+1, c.Subject)
}

// stamp is a time in messages.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// checkPublic refuses keys that are not approved.
func checkPublic(public crypto.PublicKey) error {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSA {
			return fmt.Errorf("has an RSA key of %d bits; at least %d are needed", k.N.BitLen(), minRSA)
		}
	case *ecdsa.PublicKey:
		if k.Curve.Params().BitSize < 256 {
			return fmt.Errorf("has a key on %s; P-256, P-384 or P-521 is needed", k.Curve.Params().Name)
		}
	case ed25519.PublicKey:
	default:
		return fmt.Errorf("has a key of type %T; ECDSA, RSA or Ed25519 is needed", public)
	}
	return nil
}

// readKey reads a private key under the rules for secret files.
func readKey(file string, policy config.Policy) (crypto.Signer, error) {
	absolute, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	secret, err := config.NewSecret((&url.URL{Scheme: "file", Path: absolute}).String(), policy)
	if err != nil {
		return nil, fmt.Errorf("%s %w", file, err)
	}
	text, err := secret.Read()
	if err != nil {
		return nil, err
	}
	defer clear(text)
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "EC PARAMETERS" || block.Type == "CERTIFICATE" {
			continue
		}
		key, err := parseKey(block)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		return key, nil
	}
	return nil, fmt.Errorf("%s: holds no PEM private key", file)
}

// parseKey reads one PEM block as a private key.
func parseKey(block *pem.Block) (crypto.Signer, error) {
	var key any
	var err error
	switch {
	case block.Type == "ENCRYPTED PRIVATE KEY", block.Headers["DEK-Info"] != "":
		return nil, errors.New("is encrypted; store it decrypted, readable by the service only")
	case block.Type == "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case block.Type == "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case block.Type == "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("holds a %s, not a private key", block.Type)
	}
	if err != nil {
		return nil, errors.New("holds a private key that cannot be parsed")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("holds a %T, which cannot sign", key)
	}
	return signer, nil
}

// samePublic compares public keys by their encoding.
func samePublic(a, b crypto.PublicKey) bool {
	one, errOne := x509.MarshalPKIXPublicKey(a)
	two, errTwo := x509.MarshalPKIXPublicKey(b)
	return errOne == nil && errTwo == nil && bytes.Equal(one, two)
}
