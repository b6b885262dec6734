package ruleset

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
)

// structureRules are those of the fields that every certificate has.
func structureRules() []rule {
	return []rule{
		always("intent", "what was approved is what is signed", checkIntent),
		always("version", "RFC 5280 4.1.2.1", func(s *subject) string {
			return when(!bytes.Equal(s.version, []byte{0xa0, 3, 2, 1, 2}), "the version is not 3")
		}),
		always("serial_range", "RFC 5280 4.1.2.2", func(s *subject) string {
			return when(s.SerialNumber.Sign() <= 0 || len(s.serial) > 20 || s.SerialNumber.BitLen() > 159, "the serial number is not above 0 and below 2^159")
		}),
		always("issuer_named", "RFC 5280 4.1.2.4", func(s *subject) string {
			return when(len(s.RawIssuer) <= 2, "the issuer has no name")
		}),
		always("signature_algorithm", "RFC 5280 4.1.2.3; TLS BR 7.1.3.2", checkAlgorithm),
		always("validity_order", "RFC 5280 4.1.2.5", func(s *subject) string {
			return when(s.NotAfter.Before(s.NotBefore), "the certificate ends before it begins")
		}),
		always("validity_encoding", "RFC 5280 4.1.2.5", checkTimes),
		always("validity_over", "RFC 5280 4.1.2.5", func(s *subject) string {
			return when(s.NotAfter.Before(s.now), "the certificate has ended already")
		}),
		always("spki_encoding", "RFC 3279; RFC 5480; RFC 8410", func(s *subject) string {
			_, err := certificate.ParsePublicKey(s.RawSubjectPublicKeyInfo)
			return when(err != nil, fmt.Sprintf("the public key is not sound, or not in its usual encoding: %v", err))
		}),
	}
}

// checkIntent compares the certificate with what the profile meant.
func checkIntent(s *subject) string {
	i := &s.intent
	switch {
	case !bytes.Equal(s.RawSubject, i.Subject):
		return "the subject is another one"
	case !bytes.Equal(s.RawSubjectPublicKeyInfo, i.SPKI):
		return "the public key is another one"
	case !s.NotBefore.Equal(i.NotBefore.Truncate(time.Second)) || !s.NotAfter.Equal(i.NotAfter.Truncate(time.Second)):
		return "the validity is another one"
	}
	for _, want := range i.Extensions {
		if !hasExtension(s.Extensions, want) {
			return fmt.Sprintf("the extension %s is not there, or says something else", want.Id)
		}
	}
	san := s.extension[arcSubjectAltName]
	if i.SAN.IsEmpty() != (san == nil) {
		return "there are subject alternative names that were not meant, or none where some were"
	}
	if san == nil {
		return ""
	}
	want, err := certificate.SubjectAltName(i.SAN, san.Critical)
	return when(err != nil || !bytes.Equal(want.Value, san.Value), "the subject alternative names are others")
}

func hasExtension(list []pkix.Extension, want pkix.Extension) bool {
	for i := range list {
		if have := &list[i]; have.Critical == want.Critical && have.Id.Equal(want.Id) && bytes.Equal(have.Value, want.Value) {
			return true
		}
	}
	return false
}

// checkAlgorithm compares the bytes of the AlgorithmIdentifier with those that are allowed.
func checkAlgorithm(s *subject) string {
	identifier, err := certificate.Identifier(s.SignatureAlgorithm)
	if err != nil {
		return "the signature algorithm " + s.SignatureAlgorithm.String() + " is not allowed"
	}
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(identifier.Algorithm)
		b.AddBytes(identifier.Parameters.FullBytes)
	})
	want, err := b.Bytes()
	if err == nil && bytes.Equal(want, s.algorithm) {
		return when(s.family.isBR() && s.SignatureAlgorithm == x509.PureEd25519, "Ed25519 is not among the algorithms of the Baseline Requirements")
	}
	return "the signature algorithm is not in its usual encoding"
}

// checkTimes makes sure that each time has the type of its year.
func checkTimes(s *subject) string {
	for i, at := range []time.Time{s.NotBefore, s.NotAfter} {
		want := der.UTCTime
		if at.Year() >= 2050 {
			want = der.GeneralizedTime
		}
		if s.times[i] != want {
			return "a time up to 2049 is not a UTCTime, or a later one not a GeneralizedTime"
		}
	}
	return ""
}
