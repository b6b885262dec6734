package acme_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzNonces makes sure that no text is a nonce that was not made here.
func FuzzNonces(f *testing.F) {
	for _, seed := range []string{"", "AAAA", "AAdmNQ", "////", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n := nonces(t, &keys{secret: "fuzz"}, clockAt("2026-11-22T10:30:00Z"))
		_, _, err := n.Check("x", text)
		require.Error(t, err)
	})
}
