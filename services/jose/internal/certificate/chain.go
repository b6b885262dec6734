// Package certificate is about X.509 certificates of keys that sign (RFC 5280): [Request] makes the request that a certification authority
// is given (PKCS #10, RFC 2986), and a [Chain] is what it made of it. Nothing here decides whom to trust: whoever verifies a message by a
// chain does.
package certificate

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	// MaxChain is how many certificates a chain has at most: readers of "x5c" stop there.
	MaxChain = 10
	// MaxSize is the length in bytes of the longest chain, in DER. A leaf with its intermediates has 2 to 6 KiB.
	MaxSize = 16 << 10
)

// blockType is the label of a certificate in PEM (RFC 7468 section 5).
const blockType = "CERTIFICATE"

// Chain is a certificate with those that lead from it towards a root. It is immutable.
type Chain struct {
	pem  string
	der  [][]byte
	leaf *x509.Certificate
	// notBefore and notAfter are the time during which all of its certificates are valid.
	notBefore, notAfter time.Time
}

// Parse reads certificates in PEM, the leaf first. What stands between them is no part of the chain. Errors say in words for whoever sent
// it what is wrong.
func Parse(text string) (*Chain, error) {
	c := &Chain{}
	var canonical strings.Builder
	size := 0
	for rest := []byte(text); len(bytes.TrimSpace(rest)) > 0; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, errors.New("it is not a list of certificates in PEM")
		}
		if block.Type != blockType || len(block.Headers) > 0 {
			return nil, errors.New("it holds something else than certificates")
		}
		if size += len(block.Bytes); len(c.der) == MaxChain || size > MaxSize {
			return nil, fmt.Errorf("a chain has at most %d certificates and %d bytes", MaxChain, MaxSize)
		}
		one, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d cannot be read", len(c.der)+1)
		}
		c.add(one)
		canonical.Write(pem.EncodeToMemory(block))
	}
	if len(c.der) == 0 {
		return nil, errors.New("it holds no certificate")
	}
	c.pem = canonical.String()
	return c, nil
}

func (c *Chain) add(one *x509.Certificate) {
	if c.leaf == nil {
		c.leaf, c.notBefore, c.notAfter = one, one.NotBefore, one.NotAfter
	}
	if one.NotBefore.After(c.notBefore) {
		c.notBefore = one.NotBefore
	}
	if one.NotAfter.Before(c.notAfter) {
		c.notAfter = one.NotAfter
	}
	c.der = append(c.der, one.Raw)
}

// PEM is the chain as text, the leaf first.
func (c *Chain) PEM() string { return c.pem }

// DER are the certificates, the leaf first. They must not be changed.
func (c *Chain) DER() [][]byte { return c.der }

// Leaf is the certificate of the key. It must not be changed.
func (c *Chain) Leaf() *x509.Certificate { return c.leaf }

// NotBefore is when the last of the certificates begins to be valid.
func (c *Chain) NotBefore() time.Time { return c.notBefore }

// NotAfter is the last second of the first of them that ends.
func (c *Chain) NotAfter() time.Time { return c.notAfter }

// ValidAt tells whether all of the chain is valid at a time.
func (c *Chain) ValidAt(now time.Time) bool {
	return !now.Before(c.notBefore) && !now.After(c.notAfter)
}

// Thumbprint is the "x5t#S256" of the leaf (RFC 7515 section 4.1.8).
func (c *Chain) Thumbprint() string {
	sum := sha256.Sum256(c.der[0])
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
