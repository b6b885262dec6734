// Package apivalue is how values stand in requests and answers of every API: bytes in base64url without padding, times in RFC 3339 with
// microseconds, and members that may be absent.
package apivalue

import (
	"bytes"
	"encoding/base64"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Encode is base64url without padding (RFC 4648 section 5).
func Encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// strict refuses stray bits in the last character.
var strict = base64.RawURLEncoding.Strict() //nolint:gochecknoglobals // constant

// Decode decodes base64url without padding in its one spelling: without stray bits in the last character and without line ends, which the
// standard decoder passes over even when it is strict. The error has the code validation_failed and names the member by its JSON pointer.
func Decode[T ~string | ~[]byte](pointer string, text T) ([]byte, error) {
	in := []byte(text)
	if bytes.IndexByte(in, '\n') < 0 && bytes.IndexByte(in, '\r') < 0 {
		decoded := make([]byte, strict.DecodedLen(len(in)))
		if n, err := strict.Decode(decoded, in); err == nil {
			return decoded[:n], nil
		}
	}

	return nil, problem.New(problem.ValidationFailed, "a member is not base64url").
		With(problem.Field{Pointer: pointer, Detail: "must be base64url without padding (RFC 4648 section 5)"})
}

// timestampLayout is RFC 3339 in UTC with microseconds.
const timestampLayout = "2006-01-02T15:04:05.000000Z"

// Timestamp is a time as answers have it.
func Timestamp(t time.Time) string { return t.UTC().Format(timestampLayout) }

// OptionalTimestamp is Timestamp, or nil for the zero time.
func OptionalTimestamp(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := Timestamp(t)

	return &text
}

// Of is what a pointer holds, or the zero value.
func Of[T any](p *T) T {
	if p == nil {
		var zero T

		return zero
	}

	return *p
}

// Optional is a pointer to v, or nil for the zero value, which is left out of JSON.
func Optional[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}

	return &v
}

// Invalid is the refusal of one member of a request, by its JSON pointer.
func Invalid(pointer, format string, args ...any) error {
	refusal := problem.New(problem.ValidationFailed, format, args...)

	return refusal.With(problem.Field{Pointer: pointer, Detail: refusal.ErrorDetail()})
}

// Each converts items; the result is never nil, so that it is a list in JSON.
func Each[T, U any](items []T, convert func(T) U) []U {
	out := make([]U, len(items))
	for i, item := range items {
		out[i] = convert(item)
	}

	return out
}
