package certificate

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// Sign signs the TBSCertificate with the issuer's key and returns the certificate. Before it does, the signature is verified with the signer's public
// key, and the certificate is parsed by crypto/x509 and compared with tbs: what leaves this function is what was committed. The caller has made
// sure, when it loaded the issuer, that the signer's public key is the one in the issuer's certificate.
func Sign(tbs []byte, signer crypto.Signer, algorithm x509.SignatureAlgorithm) ([]byte, error) {
	s, err := signatureOf(algorithm)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	value, err := signer.Sign(rand.Reader, s.digest(tbs), s.options())
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	if err := s.verify(signer.Public(), tbs, value); err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	text, err := Assemble(tbs, value)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	parsed, err := x509.ParseCertificate(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("sign certificate: read it back: %w", err)
	case !bytes.Equal(parsed.RawTBSCertificate, tbs) || !bytes.Equal(parsed.Signature, value):
		return nil, errors.New("sign certificate: what was signed is not what was committed")
	case parsed.SignatureAlgorithm != algorithm:
		return nil, fmt.Errorf("sign certificate: signed with %s, but the certificate says %s", algorithm, parsed.SignatureAlgorithm)
	default:
		return text, nil
	}
}

// Assemble puts a TBSCertificate and the signature over it together (RFC 5280 section 4.1). The outer algorithm is the one that tbs names. Nothing is
// verified here: see [Sign].
func Assemble(tbs, value []byte) ([]byte, error) {
	outer, inner, algorithm := cryptobyte.String(tbs), cryptobyte.String{}, cryptobyte.String{}
	if !outer.ReadASN1(&inner, der.SEQUENCE) || !outer.Empty() ||
		!inner.SkipOptionalASN1(der.Tag(0).Constructed().ContextSpecific()) || !inner.SkipASN1(der.INTEGER) ||
		!inner.ReadASN1Element(&algorithm, der.SEQUENCE) {
		return nil, errors.New("assemble certificate: not one TBSCertificate")
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, len(tbs)+len(algorithm)+len(value)+16))
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddBytes(algorithm)
		b.AddASN1BitString(value)
	})
	text, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("assemble certificate: %w", err)
	}
	return text, nil
}
