// Package joseheader holds the rules that the headers of JWS (RFC 7515 section 4) and JWE (RFC 7516
// section 4) share: which members are refused, and which an application may add.
package joseheader

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/base64url"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/strictjson"
)

// MaxEncoded is the length in characters of the longest encoded header. Ours have 100 to 400.
const MaxEncoded = 8 << 10

// Refused returns an error for members that change how a message is processed, or bring a key along,
// and nil for all others. The reasons are those of RFC 8725 sections 3.6 and 3.10 and of RFC 7518
// section 4.8.
func Refused(name []byte) error {
	switch string(name) {
	case "crit":
		return errors.New(`member "crit": no extension is supported`)
	case "b64":
		return errors.New(`member "b64": unencoded payloads are not supported`)
	case "zip":
		return errors.New(`member "zip": compressed content is refused`)
	case "jwk", "x5c":
		return fmt.Errorf("member %q: keys inside a message are not trusted", name)
	case "jku", "x5u":
		return fmt.Errorf("member %q: keys named by a message are not fetched", name)
	case "p2s", "p2c":
		return fmt.Errorf("member %q: password-based encryption is refused", name)
	default:
		return nil
	}
}

// CheckExtra refuses members that an application may not add: those that have a meaning here, and
// those that are refused when they come in.
func CheckExtra(members map[string]any) error {
	for name := range members {
		switch name {
		case "alg", "enc", "kid", "typ", "cty", "epk", "apu", "apv", "iv", "tag", "x5t":
			return fmt.Errorf("member %q cannot be set as an extra member", name)
		}
		if err := Refused([]byte(name)); err != nil {
			return err
		}
	}
	return nil
}

// CheckWritten refuses the text of a header that a reader would refuse: one that is too long, or into which an extra member brought
// duplicate members, lone surrogates or deep nesting.
func CheckWritten(text []byte, extra map[string]any) error {
	if base64url.EncodedLen(len(text)) > MaxEncoded {
		return fmt.Errorf("header would be longer than %d characters", MaxEncoded)
	}
	for _, value := range extra {
		if _, plain := value.(string); !plain {
			return strictjson.Object(text, nil)
		}
	}
	return nil
}

// ReadString decodes the text of a string member. A text equal to one of likely is taken from there,
// which saves a copy.
func ReadString(to *string, value []byte, likely []string) error {
	text, err := strictjson.Bytes(value)
	if err != nil {
		return err
	}
	for _, s := range likely {
		if s == string(text) {
			*to = s
			return nil
		}
	}
	*to = string(text)
	return nil
}

// SameType compares media types as RFC 7515 section 4.1.9 wants: without regard to case, and with
// "application/" understood where there is no slash.
func SameType(a, b string) bool {
	return strings.EqualFold(fullType(a), fullType(b))
}

func fullType(name string) string {
	if strings.Contains(name, "/") {
		return name
	}
	return "application/" + name
}

// maxChain is the number of certificates that a key or a header may carry.
const maxChain = 10

// ParseChain decodes "x5c": an array of DER certificates in base64 with padding, not base64url
// (RFC 7515 section 4.1.6, RFC 7517 section 4.7).
func ParseChain(value []byte) ([][]byte, error) {
	texts, err := strictjson.Strings(value)
	if err != nil {
		return nil, err
	}
	if len(texts) == 0 || len(texts) > maxChain {
		return nil, fmt.Errorf("a chain has 1 to %d certificates", maxChain)
	}
	chain := make([][]byte, 0, len(texts))
	for _, text := range texts {
		der, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil || strings.ContainsAny(text, "\r\n") {
			return nil, errors.New("a certificate is not strict base64")
		}
		chain = append(chain, der)
	}
	return chain, nil
}

// AppendChain appends the array that ParseChain reads.
func AppendChain(out []byte, chain [][]byte) []byte {
	out = append(out, '[')
	for i, der := range chain {
		if i > 0 {
			out = append(out, ',')
		}
		out = strictjson.AppendString(out, base64.StdEncoding.EncodeToString(der))
	}
	return append(out, ']')
}

// CheckCritical checks "crit" by RFC 7515 section 4.1.11: names of extensions, not of registered
// members; each only once, in the same protected header, and known to the caller.
func CheckCritical(names []string, present, understood func(name string) bool) error {
	if len(names) == 0 {
		return errors.New(`member "crit" is empty`)
	}
	for i, name := range names {
		if registered(name) {
			return fmt.Errorf(`member "crit" names %.64q, which is no extension`, name)
		}
		if !present(name) {
			return fmt.Errorf(`member "crit" names %.64q, which is not there`, name)
		}
		if !understood(name) {
			return fmt.Errorf(`member "crit": extension %.64q is not supported`, name)
		}
		for _, other := range names[:i] {
			if other == name {
				return fmt.Errorf(`member "crit" names %.64q twice`, name)
			}
		}
	}
	return nil
}

// registered says whether RFC 7515, RFC 7516 or RFC 7518 define a member, so that every reader knows it.
func registered(name string) bool {
	switch name {
	case "alg", "enc", "zip", "jku", "jwk", "kid", "x5u", "x5c", "x5t", "x5t#S256", "typ", "cty", "crit",
		"epk", "apu", "apv", "iv", "tag", "p2s", "p2c":
		return true
	default:
		return false
	}
}

// MaxUnprotected is the length in bytes of the longest text of an unprotected header.
const MaxUnprotected = MaxEncoded

// ReadUnprotected reads an unprotected header. What decides how a message is processed, or brings a key
// along, is refused in it, except what permits says; nil permits nothing.
func ReadUnprotected(text []byte, permits func(name []byte) bool) (map[string]any, error) {
	if len(text) > MaxUnprotected {
		return nil, fmt.Errorf("unprotected header is longer than %d bytes", MaxUnprotected)
	}
	members := map[string]any{}
	err := strictjson.Object(text, func(name, value []byte) error {
		if err := Refused(name); err != nil && (permits == nil || !permits(name)) {
			return fmt.Errorf("unprotected %w", err)
		}
		v, err := strictjson.Value(value)
		members[string(name)] = v
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, name := range [...]string{"alg", "enc", "kid", "typ", "cty"} {
		if value, there := members[name]; there {
			if _, ok := value.(string); !ok {
				return nil, fmt.Errorf("unprotected member %q is not a string", name)
			}
		}
	}
	return members, nil
}

// CheckUnprotected refuses members that no unprotected header of ours has: those that must be
// authentic, and those that are refused when they come in.
func CheckUnprotected(members map[string]any) error {
	for name, value := range members {
		if name == "kid" {
			if _, ok := value.(string); !ok {
				return errors.New(`unprotected member "kid" is not a string`)
			}
			continue
		}
		if err := CheckExtra(map[string]any{name: value}); err != nil {
			return fmt.Errorf("unprotected %w", err)
		}
	}
	return nil
}

// CheckDisjoint refuses a member that stands in two headers of one message (RFC 7515 section 7.2.1,
// RFC 7516 section 7.2.1). An empty text is a header that is not there.
func CheckDisjoint(texts ...[]byte) error {
	seen := map[string]bool{}
	for _, text := range texts {
		if len(text) == 0 {
			continue
		}
		err := strictjson.Object(text, func(name, _ []byte) error {
			if seen[string(name)] {
				return fmt.Errorf("member %.64q stands in more than one header", name)
			}
			seen[string(name)] = true
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
