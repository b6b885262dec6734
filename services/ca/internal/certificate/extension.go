package certificate

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// encode builds the value of an extension.
func encode(id asn1.ObjectIdentifier, critical bool, build func(b *cryptobyte.Builder)) (pkix.Extension, error) {
	var b cryptobyte.Builder
	build(&b)
	value, err := b.Bytes()
	if err != nil {
		return pkix.Extension{}, fmt.Errorf("encode extension %s: %w", id, err)
	}
	return pkix.Extension{Id: id, Critical: critical, Value: value}, nil
}

// KeyUsage is the extension of RFC 5280 section 4.2.1.3, critical. Usage 0 is an error: the extension has at least one bit.
func KeyUsage(usage x509.KeyUsage) (pkix.Extension, error) {
	const all = x509.KeyUsageDecipherOnly<<1 - 1
	if usage <= 0 || usage > all {
		return pkix.Extension{}, errors.New("encode key usage: no usage, or an unknown one")
	}
	// Bit 0 of the DER is the highest of the first byte; zero bits at the end are cut off (X.690 section 11.2.2).
	reversed := bits.Reverse16(uint16(usage)) //nolint:gosec // 9 bits
	content := []byte{0, byte(reversed >> 8), byte(reversed)}
	if content[2] == 0 {
		content = content[:2]
	}
	content[0] = byte(bits.TrailingZeros8(content[len(content)-1])) //nolint:gosec // at most 8
	return encode(oidKeyUsage, true, func(b *cryptobyte.Builder) {
		b.AddASN1(der.BIT_STRING, func(b *cryptobyte.Builder) { b.AddBytes(content) })
	})
}

// ExtendedKeyUsage is the extension of RFC 5280 section 4.2.1.12.
func ExtendedKeyUsage(critical bool, purposes ...asn1.ObjectIdentifier) (pkix.Extension, error) {
	if len(purposes) == 0 {
		return pkix.Extension{}, errors.New("encode extended key usage: no purpose")
	}
	return encode(oidExtendedKeyUsage, critical, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, purpose := range purposes {
				b.AddASN1ObjectIdentifier(purpose)
			}
		})
	})
}

// BasicConstraints is the extension of RFC 5280 section 4.2.1.9, critical. A pathLength below 0 leaves it unbounded; only an authority has one.
func BasicConstraints(authority bool, pathLength int) (pkix.Extension, error) {
	if !authority && pathLength >= 0 {
		return pkix.Extension{}, errors.New("encode basic constraints: only an authority has a path length")
	}
	return encode(oidBasicConstraints, true, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			if authority {
				b.AddASN1Boolean(true)
			}
			if pathLength >= 0 {
				b.AddASN1Int64(int64(pathLength))
			}
		})
	})
}

// OCSPNoCheck marks the certificate of a responder, whose own revocation nobody asks for (RFC 6960 section 4.2.2.2.1).
func OCSPNoCheck() pkix.Extension {
	return pkix.Extension{Id: oidOCSPNoCheck, Value: asn1.NullBytes}
}

// FeatureStatusRequest is the TLS feature "must staple" (RFC 7633 section 4.2.3.1: the number of the TLS extension status_request).
const FeatureStatusRequest = 5

// TLSFeature is the extension of RFC 7633 section 4.
func TLSFeature(features ...int64) (pkix.Extension, error) {
	if len(features) == 0 {
		return pkix.Extension{}, errors.New("encode TLS feature: no feature")
	}
	return encode(oidTLSFeature, false, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, feature := range features {
				b.AddASN1Int64(feature)
			}
		})
	})
}

// KeyIDBytes is the length of a key identifier.
const KeyIDBytes = 20

// KeyID computes a key identifier from a SubjectPublicKeyInfo: the leftmost 160 bits of the SHA-256 of its BIT STRING's content
// (RFC 7093 section 2 method 1), as crypto/x509 does.
func KeyID(spki []byte) ([]byte, error) {
	input, info := cryptobyte.String(spki), cryptobyte.String{}
	var key asn1.BitString
	if !input.ReadASN1(&info, der.SEQUENCE) || !input.Empty() || !info.SkipASN1(der.SEQUENCE) || !info.ReadASN1BitString(&key) || !info.Empty() {
		return nil, errors.New("key identifier: not one SubjectPublicKeyInfo")
	}
	sum := sha256.Sum256(key.RightAlign())
	return sum[:KeyIDBytes], nil
}

// SubjectKeyID is the extension of RFC 5280 section 4.2.1.2.
func SubjectKeyID(id []byte) pkix.Extension {
	var b cryptobyte.Builder
	b.AddASN1OctetString(id)
	return pkix.Extension{Id: oidSubjectKeyID, Value: b.BytesOrPanic()}
}

// AuthorityKeyID is the extension of RFC 5280 section 4.2.1.1, with the key identifier alone.
func AuthorityKeyID(id []byte) pkix.Extension {
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(der.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(id) })
	})
	return pkix.Extension{Id: oidAuthorityKeyID, Value: b.BytesOrPanic()}
}
