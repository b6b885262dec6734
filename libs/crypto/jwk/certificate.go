package jwk

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/base64url"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
)

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
