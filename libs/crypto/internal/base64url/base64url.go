// Package base64url is base64url without padding (RFC 7515 section 2), decoded strictly: no padding, no line breaks, no other foreign
// character, and no stray bits in the last character, so that every byte string has exactly one encoding.
package base64url

import (
	"encoding/base64"
	"errors"
	"slices"
)

// ErrEncoding is the one error of the decoder.
var ErrEncoding = errors.New("not strict base64url without padding")

// strict is prepared once: Strict copies the tables of the encoding.
//
//nolint:gochecknoglobals // a constant in all but name
var strict = base64.RawURLEncoding.Strict()

// EncodedLen is the length of n bytes when encoded.
func EncodedLen(n int) int { return base64.RawURLEncoding.EncodedLen(n) }

// DecodedLen is the number of bytes that n characters decode to.
func DecodedLen(n int) int { return base64.RawURLEncoding.DecodedLen(n) }

// AppendEncode appends the encoding of src to dst.
func AppendEncode(dst, src []byte) []byte { return base64.RawURLEncoding.AppendEncode(dst, src) }

// Encode returns the encoding of src.
func Encode(src []byte) string { return base64.RawURLEncoding.EncodeToString(src) }

// Decode returns the bytes that s encodes.
func Decode(s string) ([]byte, error) {
	return AppendDecode(make([]byte, 0, DecodedLen(len(s))), s)
}

// AppendDecode appends the bytes that s encodes to dst.
func AppendDecode(dst []byte, s string) ([]byte, error) {
	if len(s)%4 == 1 {
		return nil, ErrEncoding // the length of no encoding
	}
	start, n := len(dst), DecodedLen(len(s))
	dst = slices.Grow(dst, n)[:start+n]
	written, err := strict.Decode(dst[start:], []byte(s))
	// The standard decoder skips line breaks, also in its strict form; then the result is shorter.
	if err != nil || written != n {
		return nil, ErrEncoding
	}
	return dst, nil
}
