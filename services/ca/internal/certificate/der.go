package certificate

import (
	"crypto/x509/pkix"
	"time"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

var emptySequence = []byte{0x30, 0}

// isSequence says whether the bytes are one whole DER sequence.
func isSequence(text []byte) bool {
	input := cryptobyte.String(text)
	return input.SkipASN1(der.SEQUENCE) && input.Empty()
}

// addTime writes UTCTime for the years 1950 to 2049 and GeneralizedTime for others (RFC 5280 section 4.1.2.5).
func addTime(b *cryptobyte.Builder, t time.Time) {
	if t = t.UTC(); t.Year() >= 2050 {
		b.AddASN1GeneralizedTime(t)
		return
	}
	b.AddASN1UTCTime(t)
}

// addAlgorithm writes an AlgorithmIdentifier; its parameters are absent, or the bytes as they stand.
func addAlgorithm(b *cryptobyte.Builder, algorithm pkix.AlgorithmIdentifier) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(algorithm.Algorithm)
		if p := algorithm.Parameters; len(p.FullBytes) == 0 && (p.Class != 0 || p.Tag != 0 || len(p.Bytes) > 0) {
			b.MarshalASN1(p) // such as asn1.NullRawValue
			return
		}
		b.AddBytes(algorithm.Parameters.FullBytes)
	})
}

// addExtensions writes Extensions (RFC 5280 section 4.1).
func addExtensions(b *cryptobyte.Builder, extensions []pkix.Extension) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, e := range extensions {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(e.Id)
				if e.Critical {
					b.AddASN1Boolean(true)
				}
				b.AddASN1OctetString(e.Value)
			})
		}
	})
}

// addText writes characters under a tag.
func addText(b *cryptobyte.Builder, tag der.Tag, text string) {
	b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes([]byte(text)) })
}

// isIA5 says whether the text has ASCII characters alone, as an IA5String must; control characters are of no use in names and not taken.
func isIA5(text string) bool {
	for i := range len(text) {
		if text[i] < 0x20 || text[i] > 0x7e {
			return false
		}
	}
	return true
}
