package secrethash_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
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
	secret48 = "a secret of exactly forty-eight bytes for SHA-51"

	salt16 = "AAECAwQFBgcICQoLDA0ODw"
	salt24 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
	salt32 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
)

// The expected values were computed with OpenSSL 3.0:
// openssl mac -digest D -macopt hexkey:PEPPER HMAC over the secret gives IKM, then
// openssl kdf -keylen L -kdfopt digest:D -kdfopt hexkey:IKM -kdfopt hexsalt:SALT -kdfopt info:INFO HKDF.
func TestVerify_KnownAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		secret, text string
		fixed        bool
		rehash       bool
	}{
		"v1":            {secret16, "{1}:HKDF-HMAC-SHA256:salt=" + salt16 + ":N-wG3MaCl3NQVNve-WiVVaBBVgXf9dqKQgfI6vw6HAc", false, true},
		"v2":            {secret32, "{2}:HKDF-HMAC-SHA384:salt=" + salt24 + ":BQvE3inhngDWEAw5C-9SPEH3d8TsO3wkjvRbX9de25aMqmmxd_3jO5mZ7tz3uW-b", false, true},
		"v3":            {secret48, "{3}:HKDF-HMAC-SHA512:salt=" + salt32 + ":FaEdt6xcCaO4L9lrEkqE1JhPdJdpp4s6ZKs6xyCkdLdArByXsGVuQss4b2v-sMuFY3kMHJnCI1R0zNnchN_sCw", false, false},
		"v3 by size":    {secret32, "{3}:HKDF-HMAC-SHA384:salt=" + salt32 + ":kMcFqguYb9E3WLKbwrYvVCJrbkZZ3kFqPOx685U1ebZKtcdJ7-mb4JkNZcJvrILz", false, false},
		"v3 fixed hash": {secret32, "{3}:HKDF-HMAC-SHA512:salt=" + salt32 + ":YvEyB4vcsNt-wP6XhBSjzHd8r3nCnLs5ShXc_DB7N5bjaSntkuadtwSaqcSJ9DinltOKoqLm4IHOk3wsCD9CXg", true, false},
		"option turned": {secret32, "{3}:HKDF-HMAC-SHA512:salt=" + salt32 + ":YvEyB4vcsNt-wP6XhBSjzHd8r3nCnLs5ShXc_DB7N5bjaSntkuadtwSaqcSJ9DinltOKoqLm4IHOk3wsCD9CXg", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := registry(t, secrethash.Config{Peppers: peppers(), FixedHash: c.fixed})
			ok, rehash, err := r.Verify([]byte(c.secret), c.text)
			require.NoError(t, err)
			assert.True(t, ok)
			assert.Equal(t, c.rehash, rehash)

			ok, rehash, err = r.Verify([]byte(c.secret+"x"), c.text)
			require.NoError(t, err)
			assert.False(t, ok)
			assert.False(t, rehash)
		})
	}
}

func TestHash_SelectsTheHashFunctionBySecretLength(t *testing.T) {
	t.Parallel()
	r := registry(t, secrethash.Config{Peppers: peppers()})
	fixed := registry(t, secrethash.Config{Peppers: peppers(), FixedHash: true})
	for _, c := range []struct {
		size      int
		algorithm string
	}{{16, "SHA256"}, {31, "SHA256"}, {32, "SHA384"}, {47, "SHA384"}, {48, "SHA512"}, {500, "SHA512"}} {
		secret := randomBytes(t, c.size)
		text, err := r.Hash(secret)
		require.NoError(t, err)
		assert.True(t, strings.HasPrefix(text, "{3}:HKDF-HMAC-"+c.algorithm+":salt="), text)

		text, err = fixed.Hash(secret)
		require.NoError(t, err)
		assert.True(t, strings.HasPrefix(text, "{3}:HKDF-HMAC-SHA512:salt="), text)
	}
}

func TestHash_RoundTripsUnderEveryVersion(t *testing.T) {
	t.Parallel()
	r := registry(t, secrethash.Config{Peppers: peppers()})
	secret := randomBytes(t, 32)
	for version := 1; version <= 3; version++ {
		text, err := r.HashWithVersion(secret, version)
		require.NoError(t, err)
		require.NoError(t, r.Check(text))
		again, err := r.HashWithVersion(secret, version)
		require.NoError(t, err)
		assert.NotEqual(t, text, again, "the salt is random")

		ok, rehash, err := r.Verify(secret, text)
		require.NoError(t, err)
		assert.True(t, ok)
		assert.Equal(t, version != 3, rehash)
	}
}

func TestHash_PeppersAreBoundToTheirVersion(t *testing.T) {
	t.Parallel()
	secret := randomBytes(t, 32)
	text, err := registry(t, secrethash.Config{Peppers: peppers()}).Hash(secret)
	require.NoError(t, err)

	exchanged := peppers()
	exchanged[3], exchanged[2] = exchanged[2], exchanged[3]
	ok, _, err := registry(t, secrethash.Config{Peppers: exchanged}).Verify(secret, text)
	require.NoError(t, err)
	assert.False(t, ok)

	// The same content under another version number does not match either.
	ok, _, err = registry(t, secrethash.Config{Peppers: map[int][]byte{2: peppers()[3], 3: peppers()[3]}}).Verify(secret, "{2}"+text[len("{3}"):])
	require.NoError(t, err)
	assert.False(t, ok)
}

func TestNew_KeepsItsOwnCopyOfThePeppers(t *testing.T) {
	t.Parallel()
	given := peppers()
	r := registry(t, secrethash.Config{Peppers: given})
	secret := randomBytes(t, 32)
	text, err := r.Hash(secret)
	require.NoError(t, err)
	clear(given[3])
	ok, _, err := r.Verify(secret, text)
	require.NoError(t, err)
	assert.True(t, ok)
}

func TestNew_ChecksFloors(t *testing.T) {
	t.Parallel()
	policy := func(change func(*secrethash.Policy)) []secrethash.Policy {
		p := secrethash.Policies()
		change(&p[2])
		return p
	}
	for says, config := range map[string]secrethash.Config{
		"version 3 has no pepper":                {},
		"current version: hash version is not":   {Peppers: map[int][]byte{1: peppers()[1]}},
		"pepper of version 3 has 31 bytes":       {Peppers: map[int][]byte{3: make([]byte, 31)}},
		"pepper of version 9 has no policy":      {Peppers: map[int][]byte{3: peppers()[3], 9: peppers()[3]}},
		"salt of 15 bytes":                       {Peppers: peppers(), Policies: policy(func(p *secrethash.Policy) { p.SaltBytes = 15 })},
		"salt of 65 bytes":                       {Peppers: peppers(), Policies: policy(func(p *secrethash.Policy) { p.SaltBytes = 65 })},
		`hash "SHA-1" is not one of`:             {Peppers: peppers(), Policies: policy(func(p *secrethash.Policy) { p.Hash = "SHA-1" })},
		"info must have":                         {Peppers: peppers(), Policies: policy(func(p *secrethash.Policy) { p.Info = "" })},
		"policy version 0":                       {Peppers: peppers(), Policies: policy(func(p *secrethash.Policy) { p.Version = 0 })},
		"policy version 1: version and info":     {Peppers: peppers(), Policies: policy(func(p *secrethash.Policy) { p.Version = 1 })},
		"policy version 3: version and info":     {Peppers: peppers(), Policies: policy(func(p *secrethash.Policy) { p.Info = secrethash.Policies()[0].Info })},
		"current version: hash version is not c": {Peppers: peppers(), Current: 4},
	} {
		_, err := secrethash.New(config)
		require.ErrorContains(t, err, says)
	}
}

func TestNew_CurrentMayStayBehind(t *testing.T) {
	t.Parallel()
	r := registry(t, secrethash.Config{Peppers: peppers(), Current: 2})
	text, err := r.Hash(randomBytes(t, 32))
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(text, "{2}:"), text)
}

func TestDev_WorksWithoutPeppers(t *testing.T) {
	t.Parallel()
	r := registry(t, secrethash.Config{Dev: true})
	secret := randomBytes(t, 32)
	text, err := r.Hash(secret)
	require.NoError(t, err)
	ok, rehash, err := r.Verify(secret, text)
	require.NoError(t, err)
	assert.True(t, ok)
	assert.False(t, rehash)

	ok, _, err = registry(t, secrethash.Config{Peppers: peppers()}).Verify(secret, text)
	require.NoError(t, err)
	assert.False(t, ok)
}

func TestHash_RefusesShortSecretsAndVersionsWithoutPepper(t *testing.T) {
	t.Parallel()
	r := registry(t, secrethash.Config{Peppers: map[int][]byte{3: peppers()[3]}})
	_, err := r.Hash(randomBytes(t, 15))
	require.ErrorContains(t, err, "15 bytes")
	for _, version := range []int{-1, 0, 1, 2, 4} {
		_, err = r.HashWithVersion(randomBytes(t, 32), version)
		require.ErrorIs(t, err, secrethash.ErrUnknownVersion)
	}
	text, err := registry(t, secrethash.Config{Peppers: peppers()}).HashWithVersion(randomBytes(t, 32), 1)
	require.NoError(t, err)
	_, _, err = r.Verify(randomBytes(t, 32), text)
	require.ErrorIs(t, err, secrethash.ErrUnknownVersion)
	require.ErrorIs(t, r.Check(text), secrethash.ErrUnknownVersion)
}

// A password that somebody tries in place of a secret is wrong, not an error.
func TestVerify_ShortAndEmptySecretsAreJustWrong(t *testing.T) {
	t.Parallel()
	r := registry(t, secrethash.Config{Peppers: peppers()})
	text, err := r.Hash(randomBytes(t, 32))
	require.NoError(t, err)
	for _, secret := range [][]byte{nil, {}, []byte("x"), bytes.Repeat([]byte("long"), 10_000)} {
		ok, _, err := r.Verify(secret, text)
		require.NoError(t, err)
		assert.False(t, ok)
	}
}

func TestVerify_RefusesTextsThatAreNoHashes(t *testing.T) {
	t.Parallel()
	r := registry(t, secrethash.Config{Peppers: peppers()})
	text, err := r.Hash(randomBytes(t, 32))
	require.NoError(t, err)
	parts := strings.Split(text, ":")
	join := func(change func(p []string)) string {
		p := append([]string(nil), parts...)
		change(p)
		return strings.Join(p, ":")
	}
	for _, wrong := range []string{
		"", ":::", "secret", strings.TrimPrefix(text, "{3}:"), "3:" + strings.TrimPrefix(text, "{3}:"),
		join(func(p []string) { p[0] = "{03}" }), join(func(p []string) { p[0] = "{-3}" }), join(func(p []string) { p[0] = "{0}" }),
		join(func(p []string) { p[0] = "{}" }), join(func(p []string) { p[0] = "{3" }), join(func(p []string) { p[0] = " {3}" }),
		join(func(p []string) { p[0] = "{99999999999999999999}" }),
		join(func(p []string) { p[1] = "PBKDF2-HMAC-SHA512" }), join(func(p []string) { p[1] = "HKDF-HMAC-SHA1" }), join(func(p []string) { p[1] = "HKDF-HMAC-SHA512" }),
		join(func(p []string) { p[2] = "salt=" }), join(func(p []string) { p[2] = p[2][5:] }), join(func(p []string) { p[2] = "salt=AAECAwQFBgcICQoLDA0O" }),
		join(func(p []string) { p[2] += "=" }), join(func(p []string) { p[2] = "rounds=1," + p[2] }),
		join(func(p []string) { p[3] = "" }), join(func(p []string) { p[3] = p[3][4:] }), join(func(p []string) { p[3] += "\n" }),
		text + ":", text + ":x", text + strings.Repeat("A", 1000),
	} {
		ok, _, err := r.Verify([]byte(secret32), wrong)
		require.ErrorIs(t, err, secrethash.ErrFormat, "%q", wrong)
		require.ErrorIs(t, r.Check(wrong), secrethash.ErrFormat)
		require.False(t, ok)
	}
}

func TestRegistry_HidesPeppers(t *testing.T) {
	t.Parallel()
	r := registry(t, secrethash.Config{Peppers: peppers()})
	for _, shown := range []string{fmt.Sprint(r), fmt.Sprintf("%+v %#v", r, r), r.LogValue().String()} {
		assert.NotContains(t, shown, "pepper of")
		assert.NotContains(t, shown, "112 101 112")
		assert.Contains(t, shown, "current 3")
	}
}

func BenchmarkVerify(b *testing.B) {
	r, err := secrethash.New(secrethash.Config{Dev: true})
	require.NoError(b, err)
	text, err := r.Hash([]byte(secret32))
	require.NoError(b, err)
	for b.Loop() {
		if ok, _, _ := r.Verify([]byte(secret32), text); !ok {
			b.Fatal("no match")
		}
	}
}

func registry(t *testing.T, config secrethash.Config) *secrethash.Registry {
	t.Helper()
	r, err := secrethash.New(config)
	require.NoError(t, err)
	return r
}

func peppers() map[int][]byte {
	return map[int][]byte{
		1: []byte("pepper of version one for the tests"),
		2: []byte("pepper of version two for the tests"),
		3: []byte("pepper of version three for the tests"),
	}
}

func randomBytes(t *testing.T, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	_, err := rand.Read(b)
	require.NoError(t, err)
	return b
}
