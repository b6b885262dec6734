package attacktest_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// bytesOf are n bytes that follow a rule.
func bytesOf(n int, rule func(i int) byte) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = rule(i)
	}
	return out
}

// Keys that an attacker has chosen, or knows, do not come in, as material or as a public key alone.
func TestAttack_ImportsOfKeysThatProtectNothing(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
	openssl := kmstest.NewOpenSSL(t)
	short, shortPublic := openssl.Generate(t, "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
	odd, oddPublic := openssl.Generate(t, "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-pkeyopt", "rsa_keygen_pubexp:3")
	larger, largerPublic := openssl.Generate(t, "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072")
	koblitz, koblitzPublic := openssl.Generate(t, "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1")
	edwards, edwardsPublic := openssl.Generate(t, "-algorithm", "ED25519")
	x25519, x25519Public := openssl.Generate(t, "-algorithm", "X25519")
	own, private := kmstest.Generated(t, "ES256")
	_, stranger := kmstest.Generated(t, "ES256")
	public, err := own.MarshalPublic()
	require.NoError(t, err)
	edited := func(text []byte, edit func(members map[string]any)) []byte {
		var members map[string]any
		require.NoError(t, json.Unmarshal(text, &members))
		edit(members)
		out, err := json.Marshal(members)
		require.NoError(t, err)
		return out
	}
	var theirs struct{ D string }
	require.NoError(t, json.Unmarshal(stranger, &theirs))
	offCurve := func(m map[string]any) { m["y"] = m["x"] }
	aes := func(rule func(i int) byte) []byte { return bytesOf(32, rule) }
	var rsaKey *rsa.PrivateKey
	parsed, err := x509.ParsePKCS8PrivateKey(larger)
	require.NoError(t, err)
	rsaKey = parsed.(*rsa.PrivateKey)
	square := new(big.Int).Mul(rsaKey.Primes[0], rsaKey.Primes[0])
	for i, c := range []struct {
		what, algorithm string
		size            int
		material        []byte
		code            string
	}{
		{"RSA of 1024 bits", "RS256", 2048, short, "import_weak"},
		{"RSA of 1024 bits to encrypt", "A256GCM/RSA-OAEP-256", 2048, short, "import_weak"},
		{"RSA with the exponent 3", "PS256", 2048, odd, "import_weak"},
		{"RSA of another size", "PS256", 2048, larger, "import_mismatch"},
		{"a curve that is not approved", "ES256", 0, koblitz, "import_mismatch"},
		{"Ed25519 as ECDSA", "ES256", 0, edwards, "import_mismatch"},
		{"X25519", "ES256", 0, x25519, "import_mismatch"},
		{"a point off the curve", "ES256", 0, edited(private, offCurve), "import_malformed"},
		{"another private key's public one", "ES256", 0, edited(private, func(m map[string]any) { m["d"] = theirs.D }), "import_malformed"},
		{"a private key of 0", "ES256", 0, edited(private, func(m map[string]any) { m["d"] = kmstest.Encode(make([]byte, 32)) }), "import_weak"},
		{"a private key above the order", "ES256", 0, edited(private, func(m map[string]any) { m["d"] = kmstest.Encode(bytes.Repeat([]byte{0xff}, 32)) }), "import_weak"},
		{"a private key without its public one", "ES256", 0, edited(private, func(m map[string]any) { delete(m, "x") }), "import_malformed"},
		{"a public key as material", "ES256", 0, public, "import_mismatch"},
		{"a key that says it is for encryption", "ES256", 0, edited(private, func(m map[string]any) { m["use"] = "enc"; delete(m, "key_ops") }), "import_malformed"},
		{"a key that says it is for another algorithm", "ES256", 0, edited(private, func(m map[string]any) { m["alg"] = "ES384" }), "import_malformed"},
		{"AES of zeros", "A256GCM/A256KW", 0, aes(func(int) byte { return 0 }), "import_weak"},
		{"AES of one byte", "A256GCM/A256KW", 0, aes(func(int) byte { return 0x5a }), "import_weak"},
		{"AES that counts", "A256GCM/A256KW", 0, aes(func(i int) byte { return byte(i) }), "import_weak"},
		{"AES that counts down", "A256GCM/A256KW", 0, aes(func(i int) byte { return byte(-3 * i) }), "import_weak"},
		{"AES of a half twice", "A256GCM/A256KW", 0, aes(func(i int) byte { return "sixteen letters!"[i%16] }), "import_weak"},
		{"AES of another length", "A256GCM/A256KW", 0, bytesOf(16, func(i int) byte { return byte(i * i * 7) }), "import_mismatch"},
		{"AES of a length of none", "A256GCM/A256KW", 0, bytesOf(31, func(i int) byte { return byte(i * i * 7) }), "import_mismatch"},
		{"HMAC of zeros", "HS256", 0, aes(func(int) byte { return 0 }), "import_weak"},
		{"HKDF of a byte", "HKDF-SHA256", 0, aes(func(int) byte { return 1 }), "import_weak"},
		{"nothing but a brace", "ES256", 0, []byte("{"), "import_malformed"},
		{"PEM", "ES256", 0, []byte("-----BEGIN PRIVATE KEY-----\n"), "import_malformed"},
	} {
		name := fmt.Sprintf("weak-%d", i)
		ask := map[string]any{"name": name, "algorithm": c.algorithm, "origin": "imported"}
		if c.size != 0 {
			ask["key_size"] = c.size
		}
		id := s.Post(t, h.Token, "elastic-keys", ask).Member(t, "id")
		got := s.Call(t, h.Token, http.MethodPost, kmstest.PathOf(id, "import"), kmstest.Offer(t, s.ImportJob(t, h.Token, id, kmstest.MethodECDH), c.material))
		assert.Equal(t, http.StatusBadRequest, got.Status, "%s: %s", c.what, got.Body)
		assert.Equal(t, c.code, got.Member(t, "code"), "%s: %s", c.what, got.Body)
		assert.Equal(t, "import_failed", s.StatusOf(t, h.Token, "elastic-keys/"+id), c.what)
		assert.Zero(t, s.VersionCount(t, h.Token, id), c.what)
	}
	jwkRSA := func(n, e *big.Int) map[string]any {
		return map[string]any{"kty": "RSA", "n": kmstest.Encode(n.Bytes()), "e": kmstest.Encode(e.Bytes())}
	}
	generator := elliptic.P256().Params()
	even := new(big.Int).SetBit(new(big.Int).Rsh(rsaKey.N, 1024), 0, 0)
	prime, ok := new(big.Int).SetString(strings.TrimSpace(string(openssl.Run(t, "prime", "-generate", "-bits", "2048"))), 10)
	require.True(t, ok)
	pem := func(spki []byte) string {
		return string(openssl.Run(t, "pkey", "-pubin", "-in", openssl.PEM(t, "PUBLIC KEY", spki)))
	}
	for i, c := range []struct {
		what, algorithm string
		key             any
		code            string
	}{
		{"RSA of 1024 bits", "RS256", pem(shortPublic), "import_weak"},
		{"RSA with the exponent 3", "RS256", pem(oddPublic), "import_weak"},
		{"RSA of another size", "RS256", pem(largerPublic), "import_mismatch"},
		{"a curve that is not approved", "ES256", pem(koblitzPublic), "import_malformed"},
		{"Ed25519 as ECDSA", "ES256", pem(edwardsPublic), "import_mismatch"},
		{"X25519", "ES256", pem(x25519Public), "import_malformed"},
		{"an even modulus", "RS256", jwkRSA(even, big.NewInt(65537)), "import_malformed"},
		{"a modulus that is a prime", "RS256", jwkRSA(prime, big.NewInt(65537)), "import_weak"},
		{"a modulus that is a square", "RS256-3072", jwkRSA(square, big.NewInt(65537)), "import_weak"},
		{"the exponent 1", "RS256-3072", jwkRSA(rsaKey.N, big.NewInt(1)), "import_weak"},
		{"an even exponent", "RS256-3072", jwkRSA(rsaKey.N, big.NewInt(65538)), "import_malformed"},
		{"a point off the curve", "ES256", json.RawMessage(edited(public, offCurve)), "import_malformed"},
		{"the point of infinity", "ES256", map[string]any{"kty": "EC", "crv": "P-256", "x": kmstest.Encode(make([]byte, 32)), "y": kmstest.Encode(make([]byte, 32))}, "import_malformed"},
		{"a coordinate above the field", "ES256", map[string]any{"kty": "EC", "crv": "P-256", "x": kmstest.Encode(generator.P.Bytes()), "y": kmstest.Encode(generator.Gy.Bytes())}, "import_malformed"},
		{"a private key", "ES256", json.RawMessage(private), "import_mismatch"},
		{"a symmetric key", "ES256", map[string]any{"kty": "oct", "k": kmstest.Encode(aes(func(i int) byte { return byte(i * i * 7) }))}, "import_mismatch"},
	} {
		ask := map[string]any{"name": fmt.Sprintf("weak-public-%d", i), "algorithm": c.algorithm, "origin": "imported"}
		switch c.algorithm {
		case "RS256":
			ask["key_size"] = 2048
		case "RS256-3072":
			ask["algorithm"], ask["key_size"] = "RS256", 3072
		}
		id := s.Post(t, h.Token, "elastic-keys", ask).Member(t, "id")
		got := s.Call(t, h.Token, http.MethodPost, kmstest.PathOf(id, "import"), map[string]any{"public_key": c.key})
		assert.Equal(t, http.StatusBadRequest, got.Status, "%s: %s", c.what, got.Body)
		assert.Equal(t, c.code, got.Member(t, "code"), "%s: %s", c.what, got.Body)
		assert.Zero(t, s.VersionCount(t, h.Token, id), c.what)
	}
}
