package profile_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/profile"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

var now = time.Date(2026, 11, 22, 10, 30, 15, 0, time.UTC)

// keys are one of each kind, made once.
var keys = sync.OnceValue(func() map[string]crypto.Signer {
	made := map[string]crypto.Signer{}
	for name, curve := range map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()} {
		made[name] = must(ecdsa.GenerateKey(curve, rand.Reader))
	}
	made["RSA-2048"], made["RSA-3072"] = must(rsa.GenerateKey(rand.Reader, 2048)), must(rsa.GenerateKey(rand.Reader, 3072))
	_, made["Ed25519"], _ = ed25519.GenerateKey(rand.Reader)
	return made
})

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// request is one by a key for a subject and names.
func request(t testing.TB, key string, subject []certificate.Attribute, san certificate.SAN) *certificate.Request {
	t.Helper()
	public := keys()[key].Public()
	spki, err := x509.MarshalPKIXPublicKey(public)
	require.NoError(t, err)
	name, err := certificate.EncodeName(subject...)
	require.NoError(t, err)
	return &certificate.Request{RawSubject: name, SAN: san, PublicKey: public, SPKI: spki}
}

// named is a common name.
func named(name string) []certificate.Attribute {
	return []certificate.Attribute{{Type: []int{2, 5, 4, 3}, Value: name}}
}

// hosts are host names.
func hosts(names ...string) certificate.SAN { return certificate.SAN{DNS: names} }

// parse reads a profile that must be sound.
func parse(t testing.TB, text string) *profile.Profile {
	t.Helper()
	p, err := profile.Parse("p.yaml", []byte(text), now)
	require.NoError(t, err)
	return p
}

// builtin is a profile of the program.
func builtin(t testing.TB, name string) *profile.Profile {
	t.Helper()
	set, err := profile.Load("", now)
	require.NoError(t, err)
	p, err := set.Find(name)
	require.NoError(t, err)
	return p
}

// sound is the smallest profile; the tests spoil it.
const sound = `name: p
family: private
validity: {min: 1h, max: 90d, default: 30d}
keys: {curves: [P-256]}
key_usage: {all: [digitalSignature]}
`
