package certificate

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// Subtrees are names that an authority may, or may not, certify (RFC 5280 section 4.2.1.10).
type Subtrees struct {
	// DNS has domains, which hold their subdomains; with a leading dot, the subdomains alone.
	DNS []string
	IP  []netip.Prefix
	// Email has mailboxes, hosts, and with a leading dot the hosts below a domain.
	Email []string
	// URI has hosts, and with a leading dot the hosts below a domain.
	URI []string
}

// IsEmpty says whether there is no subtree.
func (s Subtrees) IsEmpty() bool { return len(s.DNS)+len(s.IP)+len(s.Email)+len(s.URI) == 0 }

// NameConstraints is the extension of RFC 5280 section 4.2.1.10.
func NameConstraints(critical bool, permitted, excluded Subtrees) (pkix.Extension, error) {
	if permitted.IsEmpty() && excluded.IsEmpty() {
		return pkix.Extension{}, errors.New("encode name constraints: no subtree")
	}
	for _, trees := range []Subtrees{permitted, excluded} {
		for _, names := range [][]string{trees.DNS, trees.Email, trees.URI} {
			for _, name := range names {
				if !isIA5(name) {
					return pkix.Extension{}, errors.New("encode name constraints: a name has characters that are not ASCII")
				}
			}
		}
	}
	return encode(oidNameConstraints, critical, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			for tag, trees := range []Subtrees{permitted, excluded} {
				if !trees.IsEmpty() {
					b.AddASN1(der.Tag(tag).Constructed().ContextSpecific(), trees.add)
				}
			}
		})
	})
}

func (s Subtrees) add(b *cryptobyte.Builder) {
	add := func(number der.Tag, content []byte) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(number.ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(content) })
		})
	}
	for _, name := range s.DNS {
		add(2, []byte(name))
	}
	for _, prefix := range s.IP {
		mask := make([]byte, prefix.Addr().BitLen()/8)
		for bit := range prefix.Bits() {
			mask[bit/8] |= 0x80 >> (bit % 8)
		}
		add(7, append(prefix.Masked().Addr().AsSlice(), mask...))
	}
	for _, name := range s.Email {
		add(1, []byte(name))
	}
	for _, name := range s.URI {
		add(6, []byte(name))
	}
}

// Policy is a certificate policy with the URLs of its practice statements.
type Policy struct {
	ID  asn1.ObjectIdentifier
	CPS []string
}

// CertificatePolicies is the extension of RFC 5280 section 4.2.1.4.
func CertificatePolicies(policies ...Policy) (pkix.Extension, error) {
	if len(policies) == 0 {
		return pkix.Extension{}, errors.New("encode certificate policies: no policy")
	}
	for _, policy := range policies {
		if len(policy.CPS) == 0 {
			continue
		}
		if err := checkURLs(policy.CPS); err != nil {
			return pkix.Extension{}, fmt.Errorf("encode certificate policies: %w", err)
		}
	}
	return encode(oidCertificatePolicies, false, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, policy := range policies {
				b.AddASN1(der.SEQUENCE, policy.add)
			}
		})
	})
}

func (p Policy) add(b *cryptobyte.Builder) {
	b.AddASN1ObjectIdentifier(p.ID)
	if len(p.CPS) == 0 {
		return
	}
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, url := range p.CPS {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oidQualifierCPS)
				addText(b, der.IA5String, url)
			})
		}
	})
}
