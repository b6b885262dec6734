package keyimport_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keyimport"
)

func TestImport_BothMethodsAndEveryCurveOfWrappingKey(t *testing.T) {
	t.Parallel()
	spec := parseSpec(t, "ES256", 0, "")
	for _, c := range []struct {
		method string
		size   int
		curve  string
	}{
		{keyimport.MethodRSA, 0, ""},
		{keyimport.MethodECDH, 0, ""},
		{keyimport.MethodECDH, 0, "P-384"},
		{keyimport.MethodECDH, 0, "P-521"},
	} {
		wrappingSpec, err := keyimport.WrappingSpec(c.method, c.size, c.curve)
		require.NoError(t, err)
		wrapping := wrappingKeys()[c.method]
		if c.size != 0 || c.curve != "" {
			wrapping = generate(t, wrappingSpec)
		}
		key := generate(t, spec)
		for form, material := range forms(t, key) {
			got, err := keyimport.Import(spec, c.method, wrapping, wrap(t, c.method, wrapping, material))
			require.NoError(t, err, "%v %s", c, form)
			assert.Equal(t, key.ThumbprintSHA256(), got.ThumbprintSHA256())
		}
	}
	large, err := keyimport.WrappingSpec(keyimport.MethodRSA, 4096, "") // to generate one takes seconds, and nothing but the number differs
	require.NoError(t, err)
	assert.Equal(t, 4096, large.KeySize)
	for _, c := range []struct {
		method string
		size   int
		curve  string
	}{{"", 0, ""}, {"RSA-OAEP-256", 0, ""}, {keyimport.MethodRSA, 2048, ""}, {keyimport.MethodRSA, 3073, ""}, {keyimport.MethodRSA, 0, "P-256"}, {keyimport.MethodECDH, 0, "X25519"}, {keyimport.MethodECDH, 3072, ""}} {
		_, err := keyimport.WrappingSpec(c.method, c.size, c.curve)
		assertCode(t, err, "unsupported_algorithm", c)
	}
}

func TestImport_WhatDoesNotOpenIsOneError(t *testing.T) {
	t.Parallel()
	spec := parseSpec(t, "A256GCM/A256KW", 0, "")
	material := random(t, 32)
	rsaWrapping, ecWrapping := wrappingKeys()[keyimport.MethodRSA], wrappingKeys()[keyimport.MethodECDH]
	public := &rsaWrapping.Material().(*rsa.PrivateKey).PublicKey
	other := &rsa.PublicKey{N: new(big.Int).Sub(public.N, big.NewInt(2)), E: public.E} // nobody has its private part
	otherEC := generate(t, parseSpec(t, "A256GCM/ECDH-ES+A256KW", 0, ""))
	good := wrap(t, keyimport.MethodRSA, rsaWrapping, material)
	flip := func(wrapped []byte, at int) []byte {
		changed := bytes.Clone(wrapped)
		changed[at] ^= 1
		return changed
	}
	messages := map[string]bool{}
	for reason, wrapped := range map[string][]byte{
		"another wrapping key":      wrapRSA(t, other, crypto.SHA256, random(t, 32), material),
		"another hash":              wrapRSA(t, public, crypto.SHA384, random(t, 32), material),
		"an AES key of 128 bits":    wrapRSA(t, public, crypto.SHA256, random(t, 16), material),
		"an AES key of 192 bits":    wrapRSA(t, public, crypto.SHA256, random(t, 24), material),
		"damaged in the first part": flip(good, 9),
		"damaged in the rest":       flip(good, len(good)-1),
		"cut":                       good[:len(good)-8],
		"longer":                    append(bytes.Clone(good), make([]byte, 8)...),
		"zeros":                     make([]byte, 384+40),
	} {
		_, err := keyimport.Import(spec, keyimport.MethodRSA, rsaWrapping, wrapped)
		require.Error(t, err, reason)
		assertCode(t, err, "import_wrong_key", reason)
		messages[err.Error()] = true
	}
	message := string(wrap(t, keyimport.MethodECDH, ecWrapping, material))
	for reason, wrapped := range map[string]string{
		"another wrapping key": string(wrap(t, keyimport.MethodECDH, otherEC, material)),
		"damaged":              message[:len(message)-12] + strings.Repeat("A", 8) + message[len(message)-4:],
		"without the tag":      message[:strings.LastIndex(message, ".")+1],
	} {
		_, err := keyimport.Import(spec, keyimport.MethodECDH, ecWrapping, []byte(wrapped))
		require.Error(t, err, reason)
		assertCode(t, err, "import_wrong_key", reason)
		messages[err.Error()] = true
	}
	assert.Len(t, messages, 1, "the reason must not show")
}

func TestImport_MalformedWrappings(t *testing.T) {
	t.Parallel()
	spec := parseSpec(t, "A256GCM/A256KW", 0, "")
	rsaWrapping, ecWrapping := wrappingKeys()[keyimport.MethodRSA], wrappingKeys()[keyimport.MethodECDH]
	good := wrap(t, keyimport.MethodRSA, rsaWrapping, random(t, 32))
	public, err := ecWrapping.Public()
	require.NoError(t, err)
	weakContent, err := jwe.Encrypt(public, jwe.Header{Encryption: "A128GCM"}, random(t, 32))
	require.NoError(t, err)
	free := *public
	free.Attributes = jwk.Attributes{}
	otherMode, err := jwe.Encrypt(&free, jwe.Header{Algorithm: "ECDH-ES", Encryption: "A256GCM"}, random(t, 32))
	require.NoError(t, err)
	damagedEphemeral := "eyJhbGciOiJFQ0RILUVTK0EyNTZLVyIsImVuYyI6IkEyNTZHQ00ifQ.AAAA.AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA" // no "epk"
	for _, c := range []struct {
		method  string
		wrapped []byte
	}{
		{keyimport.MethodRSA, nil},
		{keyimport.MethodRSA, good[:383]},
		{keyimport.MethodRSA, good[:384]},
		{keyimport.MethodRSA, good[:392]},
		{keyimport.MethodRSA, good[:len(good)-1]},
		{keyimport.MethodRSA, append(bytes.Clone(good), 0)},
		{keyimport.MethodRSA, make([]byte, keyimport.MaxWrapped+1)},
		{keyimport.MethodECDH, nil},
		{keyimport.MethodECDH, []byte("a.b.c")},
		{keyimport.MethodECDH, good},
		{keyimport.MethodECDH, append(wrap(t, keyimport.MethodECDH, ecWrapping, random(t, 32)), '.')},
		{keyimport.MethodECDH, []byte(weakContent)},
		{keyimport.MethodECDH, []byte(otherMode)},
		{keyimport.MethodECDH, []byte(damagedEphemeral)},
		{keyimport.MethodECDH, bytes.Repeat([]byte("A"), keyimport.MaxWrapped+1)},
	} {
		_, err := keyimport.Import(spec, c.method, wrappingKeys()[c.method], c.wrapped)
		require.Error(t, err, "%s %.80s", c.method, c.wrapped)
		assertCode(t, err, "import_malformed")
	}
}

func TestImport_TakesWrappingKeysForItsPurposeOnly(t *testing.T) {
	t.Parallel()
	spec := parseSpec(t, "A256GCM/A256KW", 0, "")
	rsaWrapping, ecWrapping := wrappingKeys()[keyimport.MethodRSA], wrappingKeys()[keyimport.MethodECDH]
	rsaPublic, err := rsaWrapping.Public()
	require.NoError(t, err)
	ecPublic, err := ecWrapping.Public()
	require.NoError(t, err)
	short, err := jwk.FromMaterial(rsaKey(), jwk.Attributes{Algorithm: "RSA-OAEP-256"})
	require.NoError(t, err)
	unnamed, signing, reading := *rsaWrapping, *ecWrapping, *rsaWrapping
	unnamed.Algorithm, signing.Algorithm, reading.Operations = "", "ECDH-ES", []string{"verify"}
	for _, c := range []struct {
		method string
		key    *jwk.Key
		code   string
	}{
		{keyimport.MethodRSA, ecWrapping, "key_mismatch"},
		{keyimport.MethodRSA, rsaPublic, "key_mismatch"},
		{keyimport.MethodRSA, short, "key_mismatch"},
		{keyimport.MethodRSA, &unnamed, "key_mismatch"},
		{keyimport.MethodRSA, &reading, "key_mismatch"},
		{keyimport.MethodECDH, rsaWrapping, "key_mismatch"},
		{keyimport.MethodECDH, ecPublic, "key_mismatch"},
		{keyimport.MethodECDH, &signing, "key_mismatch"},
		{"", ecWrapping, "unsupported_algorithm"},
		{"RSA-OAEP-256", rsaWrapping, "unsupported_algorithm"},
	} {
		_, err := keyimport.Import(spec, c.method, c.key, make([]byte, 512))
		require.Error(t, err)
		assertCode(t, err, c.code, c.method)
	}
}
