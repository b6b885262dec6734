package validation

import (
	"errors"
	"net/netip"
	"strings"
)

// Types of identifiers.
const (
	TypeDNS = "dns" // RFC 8555 section 9.7.7
	TypeIP  = "ip"  // RFC 8738 section 3
)

// Identifier is a name that a certificate can hold, in its one form: [ParseIdentifier].
type Identifier struct {
	// Type is TypeDNS or TypeIP.
	Type string `json:"type"`
	// Value is a DNS name in lower case, in A-labels, without a final period, perhaps with "*." before it; or an IP address as RFC 5952 and RFC
	// 1123 write it.
	Value string `json:"value"`
}

// Limits of names (RFC 1035 section 2.3.4); a name has 255 octets on the wire, 253 characters in text.
const (
	maxName  = 253
	maxLabel = 63
)

// wildcardPrefix stands before a name all of whose direct children are meant.
const wildcardPrefix = "*."

// ErrIdentifierType says that an identifier is of a type that is not known here.
var ErrIdentifierType = errors.New("the type of identifier is neither dns nor ip")

// ParseIdentifier reads an identifier. Names are put into lower case; everything else must have its one form already.
func ParseIdentifier(kind, value string) (Identifier, error) {
	switch kind {
	case TypeDNS:
		name := lower(value)
		if err := checkName(strings.TrimPrefix(name, wildcardPrefix)); err != nil {
			return Identifier{}, err
		}
		return Identifier{Type: TypeDNS, Value: name}, nil
	case TypeIP:
		address, err := netip.ParseAddr(value)
		if err != nil || address.Zone() != "" || address.Is4In6() || address.String() != value {
			return Identifier{}, errors.New("not an IP address in its canonical form")
		}
		return Identifier{Type: TypeIP, Value: value}, nil
	default:
		return Identifier{}, ErrIdentifierType
	}
}

// Wildcard says whether the identifier stands for all direct children of a name.
func (i Identifier) Wildcard() bool {
	return i.Type == TypeDNS && strings.HasPrefix(i.Value, wildcardPrefix)
}

// Base is the identifier itself, or for a wildcard the name below which it stands: what is validated.
func (i Identifier) Base() Identifier {
	return Identifier{Type: i.Type, Value: strings.TrimPrefix(i.Value, wildcardPrefix)}
}

// Address is the IP address of an identifier of type ip.
func (i Identifier) Address() (netip.Addr, bool) {
	if i.Type != TypeIP {
		return netip.Addr{}, false
	}
	address, err := netip.ParseAddr(i.Value)
	return address, err == nil
}

func (i Identifier) String() string { return i.Value }

// lower puts ASCII letters into lower case, and leaves alone what is no ASCII: [strings.ToLower] would turn some of that into letters.
func lower(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, text)
}

// checkName accepts the names of hosts (RFC 1123 section 2.1, RFC 5890 section 2.3.1).
func checkName(name string) error {
	if name == "" || len(name) > maxName {
		return errors.New("a DNS name has 1 to 253 characters")
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if err := checkLabel(label); err != nil {
			return err
		}
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" || looksHexadecimal(last) {
		return errors.New("a DNS name does not end in a number")
	}
	return nil
}

// looksHexadecimal finds last labels that some readers take for part of an IPv4 address (WHATWG URL, "ends in a number").
func looksHexadecimal(label string) bool {
	rest, ok := strings.CutPrefix(label, "0x")
	return ok && strings.Trim(rest, "0123456789abcdef") == ""
}

func checkLabel(label string) error {
	if label == "" || len(label) > maxLabel {
		return errors.New("a label of a DNS name has 1 to 63 characters")
	}
	for _, c := range []byte(label) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return errors.New("a DNS name holds letters, digits, hyphens and periods")
		}
	}
	if label[0] == '-' || label[len(label)-1] == '-' {
		return errors.New("a label of a DNS name neither begins nor ends with a hyphen")
	}
	if len(label) > 3 && label[2:4] == "--" && label[:2] != "xn" {
		return errors.New(`a label of a DNS name has hyphens in third and fourth place only after "xn"`)
	}
	return nil
}
