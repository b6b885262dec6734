package secrethash_test

import (
	"crypto/rand"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

const (
	secret16 = "exactly 16 bytes"
	secret32 = "a secret of exactly thirty-two b"
)

func peppers() map[int][]byte {
	return map[int][]byte{
		1: []byte("pepper of version one for the tests"),
		2: []byte("pepper of version two for the tests"),
		3: []byte("pepper of version three for the tests"),
	}
}

// config is a valid configuration in which change alters one registry.
func config(kind secrethash.Kind, change func(*secrethash.RegistryConfig)) secrethash.Config {
	registries := secrethash.Defaults()
	c := registries[kind]
	change(&c)
	registries[kind] = c
	return secrethash.Config{Registries: registries, Peppers: peppers()}
}

func open(t testing.TB, config secrethash.Config) *secrethash.Set {
	t.Helper()
	set, err := secrethash.Open(config)
	require.NoError(t, err)
	return set
}

func registry(t testing.TB, kind secrethash.Kind) *secrethash.Registry {
	t.Helper()
	return open(t, secrethash.Config{Peppers: peppers()}).Registry(kind)
}

func hash(t testing.TB, r *secrethash.Registry, input string) string {
	t.Helper()
	text, err := r.Hash(t.Context(), []byte(input))
	require.NoError(t, err)
	return text
}

func verify(t testing.TB, r *secrethash.Registry, input, text string) secrethash.Result {
	t.Helper()
	result, err := r.Verify(t.Context(), []byte(input), text)
	require.NoError(t, err, text)
	return result
}

func randomBytes(t testing.TB, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	_, err := rand.Read(b)
	require.NoError(t, err)
	return b
}

type vector struct {
	Kind    secrethash.Kind
	Version int
	Input   string
	Text    string
}

// vectors are what testdata/vectors.py computed.
func vectors(t testing.TB) []vector {
	t.Helper()
	content, err := os.ReadFile("testdata/vectors.json")
	require.NoError(t, err)
	var all []vector
	require.NoError(t, json.Unmarshal(content, &all))
	require.Len(t, all, 2*3+2*9)
	return all
}

// known is the current hash of secret16.
func known(t testing.TB, kind secrethash.Kind) string {
	t.Helper()
	for _, v := range vectors(t) {
		if v.Kind == kind && v.Version == 3 && v.Input == secret16 {
			return v.Text
		}
	}
	t.Fatalf("no vector of %s", kind)
	return ""
}
