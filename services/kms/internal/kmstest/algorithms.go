package kmstest

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Kind is a key to make.
type Kind struct {
	Name      string `json:"name"`
	Algorithm string `json:"algorithm"`
	KeySize   int    `json:"key_size,omitempty"`
	Curve     string `json:"curve,omitempty"`
}

// String names the kind, fit for the name of a test.
func (k Kind) String() string {
	return strings.ReplaceAll(fmt.Sprint(k.Algorithm, "_", k.KeySize, k.Curve), "/", "_")
}

// Unbound is the context of a message that has none.
func Unbound() map[string]string { return map[string]string{} }

// Protected is the protected header of a JWE or a JWS.
func Protected(t testing.TB, message string) map[string]any {
	t.Helper()
	encoded, _, _ := strings.Cut(message, ".")
	text, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	require.NoError(t, err)
	var header map[string]any
	require.NoError(t, json.Unmarshal(text, &header))
	return header
}

// DigestOf is the digest that a signature algorithm's name tells.
func DigestOf(algorithm string, message []byte) []byte {
	switch algorithm[len(algorithm)-3:] {
	case "384":
		sum := sha512.Sum384(message)
		return sum[:]
	case "512":
		sum := sha512.Sum512(message)
		return sum[:]
	default:
		sum := sha256.Sum256(message)
		return sum[:]
	}
}

// Shapes are the inputs and formats of bare signatures that an algorithm has.
func Shapes(algorithm string) (inputs, formats []string) {
	inputs, formats = []string{"message", "digest"}, []string{"raw"}
	switch algorithm[:2] {
	case "ES":
		formats = []string{"p1363", "der"}
	case "Ed", "HS":
		inputs = inputs[:1]
	}
	return inputs, formats
}

// Encode is base64url without padding.
func Encode(content []byte) string { return base64.RawURLEncoding.EncodeToString(content) }
