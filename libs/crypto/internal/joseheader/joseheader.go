// Package joseheader holds the rules that the headers of JWS (RFC 7515 section 4) and JWE (RFC 7516
// section 4) share: which members are refused, and which an application may add.
package joseheader

import "errors"

// MaxEncoded is the length in characters of the longest encoded header. Ours have 100 to 400.
const MaxEncoded = 8 << 10

// refused are members that change how a message is processed, or bring a key along. The reasons are
// those of RFC 8725 sections 3.10 and 3.6 and RFC 7518 section 4.8.
var refused = map[string]error{
	"crit": errors.New(`member "crit": no extension is supported`),
	"b64":  errors.New(`member "b64": unencoded payloads are not supported`),
	"zip":  errors.New(`member "zip": compressed content is refused`),
	"jwk":  errors.New(`member "jwk": keys inside a message are not trusted`),
	"jku":  errors.New(`member "jku": keys named by a message are not fetched`),
	"x5u":  errors.New(`member "x5u": certificates named by a message are not fetched`),
	"x5c":  errors.New(`member "x5c": certificates inside a message are not trusted`),
	"p2s":  errors.New(`member "p2s": password-based encryption is refused`),
	"p2c":  errors.New(`member "p2c": password-based encryption is refused`),
}

// Refused returns the error for a member that is refused, and nil for all others.
func Refused(name []byte) error { return refused[string(name)] }

// CheckExtra refuses members that an application may not add: those that have a meaning here, and
// those that are refused when they come in.
func CheckExtra(members map[string]any) error {
	for name := range members {
		switch name {
		case "alg", "enc", "kid", "typ", "cty", "epk", "apu", "apv", "iv", "tag", "x5t":
			return errors.New("member " + name + " cannot be set as an extra member")
		}
		if err := refused[name]; err != nil {
			return err
		}
	}
	return nil
}
