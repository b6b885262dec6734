// Package joseheader holds the rules that the headers of JWS (RFC 7515 section 4) and JWE (RFC 7516
// section 4) share: which members are refused, and which an application may add.
package joseheader

import (
	"errors"
	"fmt"

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
