package certificate

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// SAN are the names of a subject (RFC 5280 section 4.2.1.6). The order within a kind is kept; a name is there once.
type SAN struct {
	// DNS are host names in lower case, internationalised ones as A-labels (RFC 5890); the first label may be "*".
	DNS   []string
	IP    []netip.Addr
	Email []string
	URI   []string
	// UPN are user principal names, which Windows asks for in an otherName.
	UPN []string
}

// The tags of GeneralName.
const (
	tagOther = der.Tag(0 | 0x80 | 0x20)
	tagEmail = der.Tag(1 | 0x80)
	tagDNS   = der.Tag(2 | 0x80)
	tagURI   = der.Tag(6 | 0x80)
	tagIP    = der.Tag(7 | 0x80)
)

// IsEmpty says whether there is no name.
func (s SAN) IsEmpty() bool { return s.Count() == 0 }

// Count is how many names there are.
func (s SAN) Count() int { return len(s.DNS) + len(s.IP) + len(s.Email) + len(s.URI) + len(s.UPN) }

// Normalized checks every name and returns them in the form in which they are certified: host names in lower case and as A-labels, each name once. An
// error is a [*Refusal].
func (s SAN) Normalized() (SAN, error) {
	out := SAN{}
	for _, part := range []struct {
		from  []string
		to    *[]string
		check func(string) (string, error)
	}{{s.DNS, &out.DNS, DNSName}, {s.Email, &out.Email, EmailAddress}, {s.URI, &out.URI, URI}, {s.UPN, &out.UPN, UserPrincipalName}} {
		for _, name := range part.from {
			checked, err := part.check(name)
			if err != nil {
				return SAN{}, err
			}
			if !slices.Contains(*part.to, checked) {
				*part.to = append(*part.to, checked)
			}
		}
	}
	for _, address := range s.IP {
		if !address.IsValid() || address.Is4In6() || address.Zone() != "" {
			return SAN{}, refuse(BadName, "the IP address %s is not valid, has a zone, or is IPv4 written as IPv6", address)
		}
		if !slices.Contains(out.IP, address) {
			out.IP = append(out.IP, address)
		}
	}
	return out, nil
}

// SubjectAltName is the extension of RFC 5280 section 4.2.1.6: host names, mailboxes, addresses, URIs, principals. It is critical exactly where the
// subject is empty.
func SubjectAltName(san SAN, critical bool) (pkix.Extension, error) {
	for _, names := range [][]string{san.DNS, san.Email, san.URI} {
		for _, name := range names {
			if name == "" || !isIA5(name) {
				return pkix.Extension{}, fmt.Errorf("encode subject alternative name: %q is not ASCII", name)
			}
		}
	}
	return encode(oidSubjectAltName, critical, func(b *cryptobyte.Builder) { b.AddASN1(der.SEQUENCE, san.add) })
}

func (s SAN) add(b *cryptobyte.Builder) {
	for _, name := range s.DNS {
		addText(b, tagDNS, name)
	}
	for _, name := range s.Email {
		addText(b, tagEmail, name)
	}
	for _, address := range s.IP {
		b.AddASN1(tagIP, func(b *cryptobyte.Builder) { b.AddBytes(address.AsSlice()) })
	}
	for _, name := range s.URI {
		addText(b, tagURI, name)
	}
	for _, name := range s.UPN {
		b.AddASN1(tagOther, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidUserPrincipalName)
			b.AddASN1(der.Tag(0).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) { addText(b, der.UTF8String, name) })
		})
	}
}

// ParseSAN reads the value of a subject alternative name extension. Kinds of names that [SAN] does not have are refused, and so is a name that is not
// well formed: nothing that was asked is dropped in silence. An error is a [*Refusal].
func ParseSAN(value []byte) (SAN, error) {
	outer, names, san := cryptobyte.String(value), cryptobyte.String{}, SAN{}
	if !outer.ReadASN1(&names, der.SEQUENCE) || !outer.Empty() || names.Empty() {
		return SAN{}, refuse(Malformed, "the subject alternative name is not one sequence of names")
	}
	for !names.Empty() {
		var content cryptobyte.String
		var tag der.Tag
		if !names.ReadAnyASN1(&content, &tag) {
			return SAN{}, refuse(Malformed, "the subject alternative name is cut off")
		}
		switch tag {
		case tagDNS:
			if !isIA5(string(content)) {
				return SAN{}, refuse(BadName, "a host name is not ASCII: write internationalised labels as A-labels (xn--)")
			}
			san.DNS = append(san.DNS, string(content))
		case tagEmail:
			san.Email = append(san.Email, string(content))
		case tagURI:
			san.URI = append(san.URI, string(content))
		case tagIP:
			address, ok := netip.AddrFromSlice(content)
			if !ok {
				return SAN{}, refuse(Malformed, "an IP address has %d bytes, not 4 or 16", len(content))
			}
			san.IP = append(san.IP, address)
		case tagOther:
			name, err := parseOther(content)
			if err != nil {
				return SAN{}, err
			}
			san.UPN = append(san.UPN, name)
		default:
			return SAN{}, refuse(Unsupported, "a subject alternative name is of kind %d; dns, ip, email, uri and upn are known", tag&0x1f)
		}
	}
	return san.Normalized()
}

// parseOther reads the content of an otherName, of which the user principal name alone is known.
func parseOther(content cryptobyte.String) (string, error) {
	var object asn1.ObjectIdentifier
	var inner, name cryptobyte.String
	if !content.ReadASN1ObjectIdentifier(&object) || !content.ReadASN1(&inner, der.Tag(0).Constructed().ContextSpecific()) ||
		!content.Empty() {
		return "", refuse(Malformed, "an otherName is not well formed")
	}
	if !object.Equal(oidUserPrincipalName) {
		return "", refuse(Unsupported, "an otherName is of type %s; only the user principal name is known", object)
	}
	if !inner.ReadASN1(&name, der.UTF8String) || !inner.Empty() {
		return "", refuse(Malformed, "a user principal name is not a UTF8String")
	}
	return string(name), nil
}
