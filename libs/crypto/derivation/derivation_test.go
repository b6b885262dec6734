package derivation_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/derivation"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/wycheproof"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

var errDifferent = errors.New("another result than the vector's")

func assertCode(t *testing.T, err error, code string) {
	t.Helper()
	var coded interface{ ErrorCode() string }
	require.ErrorAs(t, err, &coded)
	assert.Equal(t, code, coded.ErrorCode(), err)
}

func generate(t *testing.T, algorithm, curve string) *jwk.Key {
	t.Helper()
	spec, err := alg.ParseSpec(algorithm, 0, curve)
	require.NoError(t, err)
	key, err := keygen.Generate(spec)
	require.NoError(t, err)
	return key
}

func public(t *testing.T, key *jwk.Key) *jwk.Key {
	t.Helper()
	text, err := key.MarshalPublic()
	require.NoError(t, err)
	parsed, err := jwk.Parse(text)
	require.NoError(t, err)
	return parsed
}

type agreementGroup struct {
	Tests []struct {
		wycheproof.Test
		Public  json.RawMessage `json:"public"`
		Private json.RawMessage `json:"private"`
		Shared  wycheproof.Hex  `json:"shared"`
	} `json:"tests"`
}

func TestVectors_Agreement(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ecdh_secp256r1_webcrypto_test.json", "ecdh_secp384r1_webcrypto_test.json", "ecdh_secp521r1_webcrypto_test.json"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := wycheproof.Load[agreementGroup](t, name)
			tally := file.Start(t)
			for _, group := range file.Groups {
				for _, v := range group.Tests {
					got, err := agree(v.Private, v.Public)
					if err == nil && !bytes.Equal(got, v.Shared) {
						err = errDifferent
					}
					tally.Check(v.Test, err, wycheproof.Policy{})
				}
			}
			tally.Finish()
		})
	}
}

func agree(private, peer []byte) ([]byte, error) {
	key, err := jwk.Parse(private)
	if err != nil {
		return nil, err
	}
	other, err := jwk.Parse(peer)
	if err != nil {
		return nil, err
	}
	return derivation.Agree(key, other)
}

type hkdfGroup struct {
	Tests []struct {
		wycheproof.Test
		Secret wycheproof.Hex `json:"ikm"`
		Salt   wycheproof.Hex `json:"salt"`
		Info   wycheproof.Hex `json:"info"`
		Size   int            `json:"size"`
		Output wycheproof.Hex `json:"okm"`
	} `json:"tests"`
}

func TestVectors_HKDF(t *testing.T) {
	t.Parallel()
	for name, algorithm := range map[string]string{
		"hkdf_sha256_test.json": "HKDF-SHA256",
		"hkdf_sha384_test.json": "HKDF-SHA384",
		"hkdf_sha512_test.json": "HKDF-SHA512",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec, err := alg.ParseSpec(algorithm, 0, "")
			require.NoError(t, err)
			file := wycheproof.Load[hkdfGroup](t, name)
			tally := file.Start(t)
			for _, group := range file.Groups {
				for _, v := range group.Tests {
					var policy wycheproof.Policy
					switch {
					case len(v.Secret)*8 < spec.KeySize:
						policy = wycheproof.Policy{Reason: "a key shorter than the hash", Code: "invalid_jwk"}
					case v.Size > derivation.MaxOutput:
						policy = wycheproof.Policy{Reason: "an output longer than 1,024 bytes", Code: "invalid_input"}
					}
					key, err := jwk.FromMaterial([]byte(v.Secret), jwk.Attributes{Algorithm: algorithm})
					if err == nil {
						var got []byte
						got, err = derivation.HKDF(key, v.Salt, v.Info, v.Size)
						if err == nil && !bytes.Equal(got, v.Output) {
							err = errDifferent
						}
					}
					tally.Check(v.Test, err, policy)
				}
			}
			tally.Finish()
		})
	}
}

func TestAgree_BothSidesGetTheSame(t *testing.T) {
	t.Parallel()
	for curve, size := range map[string]int{"P-256": 32, "P-384": 48, "P-521": 66} {
		alice, bob := generate(t, "ECDH", curve), generate(t, "ECDH", curve)
		one, err := derivation.Agree(alice, public(t, bob))
		require.NoError(t, err)
		other, err := derivation.Agree(bob, public(t, alice))
		require.NoError(t, err)
		assert.Equal(t, one, other)
		assert.Len(t, one, size)
	}
}

func TestAgree_RefusesOtherKeys(t *testing.T) {
	t.Parallel()
	key, peer := generate(t, "ECDH", ""), public(t, generate(t, "ECDH", ""))
	forSignatures := public(t, generate(t, "ES256", ""))
	withoutAlgorithm := *forSignatures
	withoutAlgorithm.Algorithm = ""
	encrypting := *key
	encrypting.Algorithm, encrypting.Operations = "", []string{"decrypt"}
	for name, pair := range map[string][2]*jwk.Key{
		"another curve":                   {key, public(t, generate(t, "ECDH", "P-384"))},
		"a public key alone":              {public(t, key), peer},
		"a peer with its private part":    {key, generate(t, "ECDH", "")},
		"a peer for signatures":           {key, forSignatures},
		"the same without alg":            {key, &withoutAlgorithm},
		"a peer for messages":             {key, public(t, generate(t, "A256GCM/ECDH-ES+A256KW", ""))},
		"a key for signatures":            {generate(t, "ES256", ""), peer},
		"a key for messages":              {generate(t, "A256GCM/ECDH-ES", ""), peer},
		"a key that may not derive":       {&encrypting, peer},
		"an Ed25519 peer":                 {key, public(t, generate(t, "Ed25519", ""))},
		"a symmetric key":                 {generate(t, "HKDF-SHA256", ""), peer},
		"an ML-KEM key":                   {generate(t, "ML-KEM-768", ""), peer},
		"a symmetric peer without an alg": {key, symmetric(t, "")},
	} {
		_, err := derivation.Agree(pair[0], pair[1])
		if assert.Error(t, err, name) {
			assertCode(t, err, "key_mismatch")
		}
	}
	// The caller names the algorithm where the keys do not.
	free, open := *key, *peer
	free.Attributes, open.Attributes = jwk.Attributes{Operations: []string{"deriveKey"}}, jwk.Attributes{}
	one, err := derivation.Agree(&free, &open)
	require.NoError(t, err)
	other, err := derivation.Agree(key, peer)
	require.NoError(t, err)
	assert.Equal(t, other, one)
}

func symmetric(t *testing.T, algorithm string) *jwk.Key {
	t.Helper()
	secret := make([]byte, 64)
	_, err := rand.Read(secret)
	require.NoError(t, err)
	key, err := jwk.FromMaterial(secret, jwk.Attributes{Algorithm: algorithm})
	require.NoError(t, err)
	return key
}

func TestHKDF_EachArgumentCounts(t *testing.T) {
	t.Parallel()
	key := generate(t, "HKDF-SHA256", "")
	derive := func(salt, info string, n int) string {
		out, err := derivation.HKDF(key, []byte(salt), []byte(info), n)
		require.NoError(t, err)
		require.Len(t, out, n)
		return string(out)
	}
	first := derive("s", "i", 32)
	assert.Equal(t, first, derive("s", "i", 32))
	assert.NotEqual(t, derive("s", "i", 32), derive("t", "i", 32))
	assert.NotEqual(t, derive("s", "i", 32), derive("s", "j", 32))
	assert.Equal(t, derive("s", "i", 1024)[:14], derive("s", "i", 14), "a shorter output is the beginning of a longer one")
}

func TestHKDF_Refuses(t *testing.T) {
	t.Parallel()
	key, long := generate(t, "HKDF-SHA512", ""), make([]byte, derivation.MaxContext+1)
	for _, c := range []struct {
		salt, info []byte
		n          int
	}{{nil, nil, 0}, {nil, nil, -1}, {nil, nil, 13}, {nil, nil, 1025}, {nil, nil, 255*64 + 1}, {long, nil, 32}, {nil, long, 32}} {
		_, err := derivation.HKDF(key, c.salt, c.info, c.n)
		require.Error(t, err)
		assertCode(t, err, "invalid_input")
	}
	wrapping := *key
	wrapping.Operations = []string{"wrapKey"}
	short := symmetric(t, "HKDF-SHA256")
	short.Algorithm = "ECDH"
	for name, other := range map[string]*jwk.Key{
		"without alg":        symmetric(t, ""),
		"a MAC key":          generate(t, "HS256", ""),
		"a wrapping key":     generate(t, "A256GCM/A256KW", ""),
		"for agreement":      generate(t, "ECDH", ""),
		"another alg's kind": short,
		"may not derive":     &wrapping,
	} {
		_, err := derivation.HKDF(other, nil, nil, 32)
		if assert.Error(t, err, name) {
			assertCode(t, err, "key_mismatch")
		}
	}
	// The attributes of a key can be changed after they were checked.
	changed := *generate(t, "HS256", "")
	changed.Attributes = jwk.Attributes{Algorithm: "HKDF-SHA512"}
	_, err := derivation.HKDF(&changed, nil, nil, 32)
	assertCode(t, err, "key_mismatch")
}
