package keyring

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Bounds of an encryption context.
const (
	maxContextMembers = 32
	maxContextText    = 1024 // bytes of a name or a value
)

// Context is what decryption must repeat: names and values that are not secret, such as the record a ciphertext belongs to.
type Context map[string]string

// digest is the `ctx` member of the protected header: base64url of the SHA-256 of the context's JSON in the form of RFC 8785. It is empty
// for an empty context.
func (c Context) digest() (string, error) {
	if len(c) == 0 {
		return "", nil
	}
	if len(c) > maxContextMembers {
		return "", problem.New("validation_failed", "a context has at most %d members", maxContextMembers)
	}
	for name, value := range c {
		if name == "" || len(name) > maxContextText || len(value) > maxContextText || !utf8.ValidString(name) || !utf8.ValidString(value) {
			return "", problem.New("validation_failed", "a context's names and values are UTF-8 of at most %d bytes; no name is empty", maxContextText)
		}
	}
	sum := sha256.Sum256(c.canonical())
	return base64.RawURLEncoding.EncodeToString(sum[:]), nil
}

// canonical is the JSON Canonicalization Scheme (RFC 8785) for an object of strings: members in order of their names' UTF-16 code units,
// no white space, the shortest escapes.
func (c Context) canonical() []byte {
	names := make([]string, 0, len(c))
	for name := range c {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
	})
	out := []byte{'{'}
	for i, name := range names {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendString(out, name)
		out = append(out, ':')
		out = appendString(out, c[name])
	}
	return append(out, '}')
}

// appendString writes a JSON string as RFC 8785 section 3.2.2.2 says.
func appendString(out []byte, s string) []byte {
	const hex = "0123456789abcdef"
	out = append(out, '"')
	for i := range len(s) {
		switch b := s[i]; b {
		case '"', '\\':
			out = append(out, '\\', b)
		case '\b':
			out = append(out, '\\', 'b')
		case '\t':
			out = append(out, '\\', 't')
		case '\n':
			out = append(out, '\\', 'n')
		case '\f':
			out = append(out, '\\', 'f')
		case '\r':
			out = append(out, '\\', 'r')
		default:
			if b < ' ' {
				out = append(out, '\\', 'u', '0', '0', hex[b>>4], hex[b&0xf])
				continue
			}
			out = append(out, b)
		}
	}
	return append(out, '"')
}
