package certificate

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// maxAttributes bounds the attributes of a name that is parsed.
const maxAttributes = 64

// Attribute is one attribute of a distinguished name.
type Attribute struct {
	Type  asn1.ObjectIdentifier
	Value string
}

// EncodeName writes a Name (RFC 5280 section 4.1.2.4) of the attributes in their order, each in an RDN of its own: countryName, serialNumber and
// dnQualifier as PrintableString, domainComponent and emailAddress as IA5String, others as PrintableString where their characters allow it and as
// UTF8String else. No attribute gives the empty name.
func EncodeName(attributes ...Attribute) ([]byte, error) {
	var b cryptobyte.Builder
	var bad error
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, a := range attributes {
			tag, err := a.tag()
			if err != nil {
				bad = err
			}
			b.AddASN1(der.SET, func(b *cryptobyte.Builder) {
				b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(a.Type)
					addText(b, tag, a.Value)
				})
			})
		}
	})
	text, err := b.Bytes()
	if bad != nil {
		err = bad
	}
	if err != nil {
		return nil, fmt.Errorf("encode name: %w", err)
	}
	return text, nil
}

// tag chooses the string type of an attribute's value.
func (a Attribute) tag() (der.Tag, error) {
	if a.Value == "" || !utf8.ValidString(a.Value) {
		return 0, fmt.Errorf("attribute %s: the value is empty or not UTF-8", a.Type)
	}
	printable := strings.IndexFunc(a.Value, isNotPrintableString) < 0
	switch a.Type.String() {
	case "2.5.4.6", "2.5.4.5", "2.5.4.46": // countryName, serialNumber, dnQualifier
		if !printable {
			return 0, fmt.Errorf("attribute %s: the value has a character that a PrintableString has not", a.Type)
		}
	case "0.9.2342.19200300.100.1.25", "1.2.840.113549.1.9.1": // domainComponent, emailAddress
		if !isIA5(a.Value) {
			return 0, fmt.Errorf("attribute %s: the value is not ASCII", a.Type)
		}
		return der.IA5String, nil
	}
	if printable {
		return der.PrintableString, nil
	}
	return der.UTF8String, nil
}

// isNotPrintableString says whether a PrintableString cannot have the character (X.680 section 41.4).
func isNotPrintableString(c rune) bool {
	return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune(" '()+,-./:=?", c)
}

// ParseName reads the DER of a Name. An error is a [*Refusal].
func ParseName(text []byte) (pkix.Name, error) {
	var sequence pkix.RDNSequence
	rest, err := asn1.Unmarshal(text, &sequence)
	if err != nil || len(rest) > 0 {
		return pkix.Name{}, refuse(Malformed, "the subject is not the DER of one Name")
	}
	count := 0
	for _, set := range sequence {
		if len(set) == 0 {
			return pkix.Name{}, refuse(Malformed, "a part of the subject is empty")
		}
		for _, attribute := range set {
			if value, ok := attribute.Value.(string); !ok || value == "" {
				return pkix.Name{}, refuse(Malformed, "the attribute %s of the subject is not text, or empty", attribute.Type)
			}
			count++
		}
	}
	if count > maxAttributes {
		return pkix.Name{}, refuse(Malformed, "the subject has %d attributes, more than %d", count, maxAttributes)
	}
	var name pkix.Name
	name.FillFromRDNSequence(&sequence)
	return name, nil
}
