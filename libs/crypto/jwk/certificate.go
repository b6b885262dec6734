package jwk

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/base64url"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/strictjson"
)

// maxChain is the number of certificates that a key may carry.
const maxChain = 10

// parseChain decodes "x5c": an array of DER certificates in base64 with padding, not base64url
// (RFC 7517 section 4.7).
func parseChain(value []byte) ([][]byte, error) {
	texts, err := strictjson.Strings(value)
	if err != nil {
		return nil, err
	}
	if len(texts) == 0 || len(texts) > maxChain {
		return nil, fault.New(fault.InvalidKey, "a chain has 1 to %d certificates", maxChain)
	}
	chain := make([][]byte, 0, len(texts))
	for _, text := range texts {
		der, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil || strings.ContainsAny(text, "\r\n") {
			return nil, fault.New(fault.InvalidKey, "a certificate is not strict base64")
		}
		chain = append(chain, der)
	}
	return chain, nil
}

// checkCertificates makes sure that every certificate parses and that the first certifies this key.
// Whether to trust the chain is not this package's business.
func (k *Key) checkCertificates() error {
	for i, der := range k.Certificates {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return fault.New(fault.InvalidKey, "certificate %d cannot be parsed", i)
		}
		if i == 0 && !k.certifiedBy(certificate) {
			return fault.New(fault.InvalidKey, "the first certificate is for another key")
		}
	}
	return nil
}

func (k *Key) certifiedBy(certificate *x509.Certificate) bool {
	if k.m.kemPublic != nil { // crypto/x509 leaves keys it does not know as they stand
		der, err := k.MarshalPKIX()
		return err == nil && bytes.Equal(der, certificate.RawSubjectPublicKeyInfo)
	}
	return k.m.matches(certificate.PublicKey)
}

func (m *material) matches(public any) bool {
	switch {
	case m.rsaPublic != nil:
		return m.rsaPublic.Equal(public)
	case m.ecPublic != nil:
		return m.ecPublic.Equal(public)
	case m.edPublic != nil:
		return m.edPublic.Equal(public)
	default:
		return false
	}
}

// certificateThumbprint is the "x5t#S256" of a key with certificates.
func (k *Key) certificateThumbprint() string {
	sum := sha256.Sum256(k.Certificates[0])
	return base64url.Encode(sum[:])
}
