package kmstest

import (
	"encoding/base64"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TakesEffect is how soon a change of the realm file must be in force.
const TakesEffect = time.Second

// Decoded are the bytes that base64url without padding stands for.
func Decoded(t testing.TB, text string) []byte {
	t.Helper()
	content, err := base64.RawURLEncoding.Strict().DecodeString(text)
	require.NoError(t, err)
	return content
}

// NotFound is the code of what is not there.
const NotFound = "not_found"

// Day is how long a day is.
const Day = 24 * time.Hour

// Merge puts objects into the first one, the later ones over the earlier.
func Merge(into ...map[string]any) map[string]any {
	all := map[string]any{}
	for _, m := range into {
		maps.Copy(all, m)
	}
	return all
}

// NextLetter is the letter of the alphabet whose value differs in the lowest bit.
func NextLetter(letter byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, letter)^1])
}

// EscapeAll writes every byte as a percent sequence.
func EscapeAll(text string) string {
	var out strings.Builder
	for _, b := range []byte(text) {
		fmt.Fprintf(&out, "%%%02X", b)
	}
	return out.String()
}
