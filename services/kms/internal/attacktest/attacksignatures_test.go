package attacktest_test

import (
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// verdict is what verify says of a bare signature.
func verdict(t testing.TB, s *kmstest.Service, token, key, format string, signature []byte) bool {
	t.Helper()
	got := s.Post(t, token, kmstest.PathOf(key, "verify"), map[string]any{"payload": "aGVsbG8", "input": "message", "format": format, "signature": kmstest.Encode(signature)})
	return got.Object(t)["valid"].(bool)
}

func bareSignature(t testing.TB, s *kmstest.Service, token, key, format string) []byte {
	t.Helper()
	return kmstest.Decoded(t, s.Post(t, token, kmstest.PathOf(key, "sign"), map[string]any{"payload": "aGVsbG8", "input": "message", "format": format}).Member(t, "signature"))
}

// A signature has one encoding in each format. The other solution of ECDSA's equation, (r, n-s), is as valid by FIPS 186-5 as the first one:
// signatures are no identifiers.
func TestAttack_SignaturesHaveOneEncoding(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
	for algorithm, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
		key := "signer-" + algorithm[2:]
		s.Create(t, h.Token, key, algorithm)
		n, size := curve.Params().N, (curve.Params().BitSize+7)/8
		p1363 := bareSignature(t, s, h.Token, key, "p1363")
		require.Len(t, p1363, 2*size)
		r, z := new(big.Int).SetBytes(p1363[:size]), new(big.Int).SetBytes(p1363[size:])
		fixed := func(r, s *big.Int, size int) []byte {
			return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
		}
		der := func(r, s *big.Int) []byte {
			out, err := asn1.Marshal([]*big.Int{r, s})
			require.NoError(t, err)
			return out
		}
		other, zero, one := new(big.Int).Sub(n, z), new(big.Int), big.NewInt(1)
		assert.True(t, verdict(t, s, h.Token, key, "p1363", p1363))
		assert.True(t, verdict(t, s, h.Token, key, "der", der(r, z)))
		assert.True(t, verdict(t, s, h.Token, key, "p1363", fixed(r, other, size)), "the other solution")
		assert.True(t, verdict(t, s, h.Token, key, "der", der(r, other)), "the other solution")
		good := der(r, z)
		for what, spoilt := range map[string][]byte{
			"r of 0": fixed(zero, z, size), "s of 0": fixed(r, zero, size), "both 0": fixed(zero, zero, size), "both 1": fixed(one, one, size),
			"s of n": fixed(r, n, size), "r of n": fixed(n, z, size), "longer": append(slices.Clone(p1363), 0), "shorter": p1363[:2*size-1],
			"numbers with a zero before them": fixed(r, z, size+1), "DER": good, "nothing": {}, "one number": p1363[:size], "swapped": fixed(z, r, size),
		} {
			assert.False(t, verdict(t, s, h.Token, key, "p1363", spoilt), "%s: %s", algorithm, what)
		}
		sequence := func(content ...[]byte) []byte {
			inner := slices.Concat(content...)
			if len(inner) < 128 {
				return slices.Concat([]byte{0x30, byte(len(inner))}, inner)
			}
			return slices.Concat([]byte{0x30, 0x81, byte(len(inner))}, inner)
		}
		integer := func(v *big.Int) []byte { out, _ := asn1.Marshal(v); return out }
		padded := func(v *big.Int) []byte { // with a zero that is not needed
			content := integer(v)[2:]
			return slices.Concat([]byte{0x02, byte(len(content) + 1), 0}, content)
		}
		long := func(v *big.Int) []byte { // with a length in the long form
			content := integer(v)[2:]
			return slices.Concat([]byte{0x02, 0x81, byte(len(content))}, content)
		}
		for what, spoilt := range map[string][]byte{
			"a padded r":            sequence(padded(r), integer(z)),
			"a padded s":            sequence(integer(r), padded(z)),
			"a long length of r":    sequence(long(r), integer(z)),
			"a long length":         slices.Concat([]byte{0x30, 0x82, 0, byte(len(good) - 2)}, good[len(good)-len(integer(r))-len(integer(z)):]),
			"an unsaid length":      slices.Concat([]byte{0x30, 0x80}, integer(r), integer(z), []byte{0, 0}),
			"bytes after it":        append(slices.Clone(good), 0),
			"a third number":        sequence(integer(r), integer(z), integer(one)),
			"bytes in it":           sequence(integer(r), integer(z), []byte{0}),
			"a negative r":          sequence(integer(new(big.Int).Sub(r, n)), integer(z)),
			"a negative s":          sequence(integer(r), integer(new(big.Int).Neg(z))),
			"r of 0":                sequence(integer(zero), integer(z)),
			"s of n":                sequence(integer(r), integer(n)),
			"s plus n":              sequence(integer(r), integer(new(big.Int).Add(z, n))),
			"a set":                 slices.Concat([]byte{0x31}, good[1:]),
			"numbers as octets":     sequence(slices.Concat([]byte{0x04}, integer(r)[1:]), integer(z)),
			"cut":                   good[:len(good)-1],
			"fixed length":          p1363,
			"nothing":               {},
			"a sequence of nothing": {0x30, 0},
		} {
			assert.False(t, verdict(t, s, h.Token, key, "der", spoilt), "%s: %s", algorithm, what)
		}
	}
}

func TestAttack_OtherSignaturesHaveOneEncoding(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
	// Ed25519: S is below the order of the group (RFC 8032 section 5.1.7).
	s.Create(t, h.Token, "edwards", "Ed25519")
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	good := bareSignature(t, s, h.Token, "edwards", "raw")
	swapped := slices.Clone(good[32:])
	slices.Reverse(swapped)
	sum := new(big.Int).Add(new(big.Int).SetBytes(swapped), order).FillBytes(make([]byte, 32))
	slices.Reverse(sum)
	for what, spoilt := range map[string][]byte{
		"S plus the order": slices.Concat(good[:32], sum), "longer": append(slices.Clone(good), 0), "shorter": good[:63], "zeros": make([]byte, 64), "nothing": {},
		"the neutral point and 0": slices.Concat([]byte{1}, make([]byte, 63)),
	} {
		assert.False(t, verdict(t, s, h.Token, "edwards", "raw", spoilt), what)
	}
	// RSA: a number below the modulus, as long as the modulus (RFC 8017 sections 8.1.2 and 8.2.2).
	for _, algorithm := range []string{"RS256", "PS256"} {
		key := strings.ToLower(algorithm)
		s.Post(t, h.Token, "elastic-keys", kmstest.Kind{Name: key, Algorithm: algorithm, KeySize: 2048})
		var public struct{ N string }
		require.NoError(t, json.Unmarshal(s.Get(t, h.Token, kmstest.PathOf(key, "public-key")).Raw(t, "jwk"), &public))
		n := new(big.Int).SetBytes(kmstest.Decoded(t, public.N))
		good := bareSignature(t, s, h.Token, key, "raw")
		number := new(big.Int).SetBytes(good)
		sum := new(big.Int).Add(number, n).Bytes()
		for what, spoilt := range map[string][]byte{
			"plus the modulus": sum, "with a zero before it": slices.Concat([]byte{0}, good), "shorter": good[1:], "longer": append(slices.Clone(good), 0),
			"0": make([]byte, 256), "1": new(big.Int).SetInt64(1).FillBytes(make([]byte, 256)), "the modulus": n.Bytes(),
			"below the modulus by 1": new(big.Int).Sub(n, big.NewInt(1)).Bytes(), "negated": new(big.Int).Sub(n, number).FillBytes(make([]byte, 256)), "nothing": {},
		} {
			assert.False(t, verdict(t, s, h.Token, key, "raw", spoilt), "%s: %s", algorithm, what)
		}
	}
	// HMAC: all of it.
	mac := kmstest.Decoded(t, h.MAC)
	for what, spoilt := range map[string][]byte{"cut to half": mac[:16], "cut": mac[:31], "longer": append(slices.Clone(mac), 0), "nothing": {}, "zeros": make([]byte, 32)} {
		got := s.Post(t, h.Token, kmstest.PathOf(h.MACKey, "verify-mac"), map[string]any{"payload": "aGVsbG8", "mac": kmstest.Encode(spoilt)})
		assert.Equal(t, false, got.Object(t)["valid"], what)
		assert.False(t, verdict(t, s, h.Token, h.MACKey, "raw", spoilt), what)
	}
}

// A key that is public is no key of an HMAC, and a header does not choose the key, nor the algorithm.
func TestAttack_JWSHeadersThatLie(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
	s.Tenant(t, "acme")
	acme := s.Token(t, "acme", "token", "kms:admin")
	foreign := s.Create(t, acme, "foreign", "ES256")
	s.Create(t, h.Token, "other", "ES256")
	public := s.Get(t, h.Token, kmstest.PathOf(h.Signer, "public-key"))
	kid := public.Member(t, "kid")
	forge := func(header string, key []byte) string {
		input := kmstest.Encode([]byte(header)) + ".aGVsbG8"
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(input))
		return input + "." + kmstest.Encode(mac.Sum(nil))
	}
	jwkText := public.Raw(t, "jwk")
	messages := map[string]string{"another tenant's": s.Post(t, acme, kmstest.PathOf(foreign, "sign"), map[string]any{"payload": "aGVsbG8"}).Member(t, "signature")}
	messages["another tenant's under this name"] = kmstest.Readdress(t, messages["another tenant's"], kid)
	messages["another key's"] = s.Post(t, h.Token, kmstest.PathOf("other", "sign"), map[string]any{"payload": "aGVsbG8"}).Member(t, "signature")
	messages["another key's under this name"] = kmstest.Readdress(t, messages["another key's"], kid)
	for what, key := range map[string][]byte{"the PEM": []byte(public.Member(t, "pem")), "the JWK": jwkText, "nothing": make([]byte, 32)} {
		for _, algorithm := range []string{"HS256", "none", "ES256", "EdDSA"} {
			messages["HMAC with "+what+" as "+algorithm] = forge(fmt.Sprintf(`{"alg":%q,"kid":%q}`, algorithm, kid), key)
		}
	}
	for what, member := range map[string]string{
		"jwk": `"jwk":` + string(jwkText), "jku": `"jku":"https://127.0.0.1/keys"`, "x5u": `"x5u":"https://127.0.0.1/keys"`, "x5c": `"x5c":["MA=="]`,
		"x5t": `"x5t":"AAAA"`, "crit b64": `"b64":false,"crit":["b64"]`, "crit": `"crit":["x"],"x":1`, "two algs": `"alg":"ES256"`, "zip": `"zip":"DEF"`,
	} {
		messages["a header with "+what] = forge(fmt.Sprintf(`{"alg":"ES256","kid":%q,%s}`, kid, member), make([]byte, 64))
	}
	for what, message := range messages {
		got := s.Post(t, h.Token, kmstest.PathOf(h.Signer, "verify"), map[string]any{"signature": message})
		assert.Equal(t, false, got.Object(t)["valid"], what)
		assert.NotContains(t, got.Object(t), "payload", what)
		octets := s.Octets(t, h.Token, kmstest.PathOf(h.Signer, "verify"), kmstest.JOSE, []byte(message))
		assert.JSONEq(t, string(got.Body), string(octets.Body), what)
	}
	// A JWS under a key for MACs is not read as one under a key pair with the same octets.
	_, err := base64.RawURLEncoding.DecodeString(h.MAC)
	require.NoError(t, err)
	s.Call(t, h.Token, http.MethodPost, kmstest.PathOf(h.MACKey, "encrypt"), map[string]any{"plaintext": ""}).Refused(t, http.StatusConflict, "wrong_key_use", "a MAC key")
}
