package certificate

import (
	"encoding/pem"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// PEM writes certificates one after the other, as RFC 8555 section 9.1 (application/pem-certificate-chain) and web servers want them: the
// subscriber's first, each followed by its issuer's.
func PEM(chain ...[]byte) []byte {
	var text []byte
	for _, certificate := range chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})...)
	}
	return text
}

// PKCS7 writes certificates as a degenerate SignedData without signers (RFC 5652 sections 3 and 5, the "certs-only" message of RFC 8551
// section 3.2.3), DER but for the order of the certificates, which is kept.
func PKCS7(chain ...[]byte) ([]byte, error) {
	if len(chain) == 0 {
		return nil, errors.New("encode PKCS #7: no certificate")
	}
	for i, certificate := range chain {
		if !isSequence(certificate) {
			return nil, fmt.Errorf("encode PKCS #7: certificate %d is not one DER sequence", i)
		}
	}
	explicit := der.Tag(0).Constructed().ContextSpecific()
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidSignedData)
		b.AddASN1(explicit, func(b *cryptobyte.Builder) {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(1)
				b.AddASN1(der.SET, func(*cryptobyte.Builder) {}) // no digest algorithm
				b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidData) })
				b.AddASN1(explicit, func(b *cryptobyte.Builder) {
					for _, certificate := range chain {
						b.AddBytes(certificate)
					}
				})
				b.AddASN1(der.SET, func(*cryptobyte.Builder) {}) // no signer
			})
		})
	})
	text, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encode PKCS #7: %w", err)
	}
	return text, nil
}
