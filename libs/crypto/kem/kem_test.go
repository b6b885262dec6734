package kem_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/base64url"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/wycheproof"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/kem"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

var errDifferent = errors.New("another result than the vector's")

func parameterSets() []string { return []string{"ML-KEM-768", "ML-KEM-1024"} }

func generate(t testing.TB, algorithm string) *jwk.Key {
	t.Helper()
	spec, err := alg.ParseSpec(algorithm, 0, "")
	require.NoError(t, err)
	key, err := keygen.Generate(spec)
	require.NoError(t, err)
	return key
}

func assertCode(t *testing.T, err error, code string) {
	t.Helper()
	var coded interface{ ErrorCode() string }
	require.ErrorAs(t, err, &coded)
	assert.Equal(t, code, coded.ErrorCode(), err)
}

// encapsulationKey reads a public key as it would come from outside.
func encapsulationKey(parameterSet string, encoded []byte) (*jwk.Key, error) {
	text, err := json.Marshal(map[string]string{"kty": "AKP", "alg": parameterSet, "pub": base64url.Encode(encoded)})
	if err != nil {
		return nil, err
	}
	return jwk.Parse(text)
}

func decapsulationKey(parameterSet string, seed, public []byte) (*jwk.Key, error) {
	text, err := json.Marshal(map[string]string{"kty": "AKP", "alg": parameterSet, "pub": base64url.Encode(public), "priv": base64url.Encode(seed)})
	if err != nil {
		return nil, err
	}
	return jwk.Parse(text)
}

type group struct {
	ParameterSet string `json:"parameterSet"`
	Tests        []struct {
		wycheproof.Test
		Seed       wycheproof.Hex `json:"seed"`
		Public     wycheproof.Hex `json:"ek"`
		Random     wycheproof.Hex `json:"m"`
		Expanded   wycheproof.Hex `json:"dk"`
		Ciphertext wycheproof.Hex `json:"c"`
		Shared     wycheproof.Hex `json:"K"`
	} `json:"tests"`
}

func TestVectors_Decapsulation(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"mlkem_768_test.json", "mlkem_1024_test.json"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := wycheproof.Load[group](t, name)
			tally := file.Start(t)
			for _, g := range file.Groups {
				for _, v := range g.Tests {
					key, err := decapsulationKey(g.ParameterSet, v.Seed, v.Public)
					if err == nil {
						var got []byte
						got, err = kem.Decapsulate(key, v.Ciphertext)
						if err == nil && !bytes.Equal(got, v.Shared) {
							err = errDifferent
						}
					}
					tally.Check(v.Test, err, wycheproof.Policy{})
				}
			}
			tally.Finish()
		})
	}
}

// A key is its seed here, so that none can be inconsistent: the expanded form, which has no seed, is refused by its length, and the vectors
// that are valid are counted as refused.
func TestVectors_ExpandedKeys(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"mlkem_768_semi_expanded_decaps_test.json", "mlkem_1024_semi_expanded_decaps_test.json"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := wycheproof.Load[group](t, name)
			tally := file.Start(t)
			for _, g := range file.Groups {
				for _, v := range g.Tests {
					public := v.Public
					if len(public) == 0 { // those with a bad key come without
						text, err := generate(t, g.ParameterSet).MarshalPublic()
						require.NoError(t, err)
						var members struct{ Pub string }
						require.NoError(t, json.Unmarshal(text, &members))
						public, err = base64url.Decode(members.Pub)
						require.NoError(t, err)
					}
					_, err := decapsulationKey(g.ParameterSet, v.Expanded, public)
					tally.Check(v.Test, err, wycheproof.Policy{Reason: "an expanded decapsulation key, not a seed", Code: "invalid_jwk"})
				}
			}
			tally.Finish()
		})
	}
}

// Encapsulation from given randomness is not allowed under enforcement, so that a program outside it computes the vectors. What the vectors
// say about keys is tested here: it is the same parser that they come through.
func TestVectors_Encapsulation(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"mlkem_768_encaps_test.json", "mlkem_1024_encaps_test.json"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := wycheproof.Load[group](t, name)
			tally, questions := file.Start(t), new(bytes.Buffer)
			keys := map[int]error{}
			for _, g := range file.Groups {
				for _, v := range g.Tests {
					key, err := encapsulationKey(g.ParameterSet, v.Public)
					if keys[v.ID] = err; err != nil {
						continue
					}
					_, ciphertext, err := kem.Encapsulate(key)
					require.NoError(t, err)
					require.Len(t, ciphertext, len(v.Ciphertext))
					require.NoError(t, json.NewEncoder(questions).Encode(question{g.ParameterSet, v.Public, v.Random}))
				}
			}
			answers := json.NewDecoder(bytes.NewReader(derandomized(t, questions)))
			for _, g := range file.Groups {
				for _, v := range g.Tests {
					err := keys[v.ID]
					if err == nil {
						var got answer
						require.NoError(t, answers.Decode(&got))
						if got.Error != "" {
							err = errors.New(got.Error)
						} else if !bytes.Equal(got.Shared, v.Shared) || !bytes.Equal(got.Ciphertext, v.Ciphertext) {
							err = errDifferent
						}
					}
					tally.Check(v.Test, err, wycheproof.Policy{})
				}
			}
			tally.Finish()
		})
	}
}

type question struct {
	ParameterSet   string
	Public, Random []byte
}

type answer struct {
	Shared, Ciphertext []byte
	Error              string
}

// derandomized runs testdata/derandomized, which answers each question, outside enforcement.
func derandomized(t *testing.T, questions *bytes.Buffer) []byte {
	t.Helper()
	run := exec.CommandContext(t.Context(), "go", "run", "./testdata/derandomized")
	run.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GODEBUG=") }), "GODEBUG=fips140=off")
	var failure strings.Builder
	run.Stdin, run.Stderr = questions, &failure
	out, err := run.Output()
	require.NoError(t, err, failure.String())
	return out
}

func TestDecapsulate_GivesWhatWasEncapsulated(t *testing.T) {
	t.Parallel()
	for _, name := range parameterSets() {
		key := generate(t, name)
		text, err := key.MarshalPublic()
		require.NoError(t, err)
		public, err := jwk.Parse(text)
		require.NoError(t, err)
		for _, to := range []*jwk.Key{public, key} {
			shared, ciphertext, err := kem.Encapsulate(to)
			require.NoError(t, err)
			assert.Len(t, shared, alg.KEMSecretBytes)
			got, err := kem.Decapsulate(key, ciphertext)
			require.NoError(t, err)
			assert.Equal(t, shared, got)
			again, _, err := kem.Encapsulate(to)
			require.NoError(t, err)
			assert.NotEqual(t, shared, again)
		}
	}
}

// FIPS 203 section 6.3: a forgery is not noticed here, and always gives the same wrong secret.
func TestDecapsulate_RejectsImplicitly(t *testing.T) {
	t.Parallel()
	for _, name := range parameterSets() {
		key := generate(t, name)
		shared, ciphertext, err := kem.Encapsulate(key)
		require.NoError(t, err)
		for _, bit := range []int{0, 7, len(ciphertext) * 4, len(ciphertext)*8 - 1} {
			ciphertext[bit/8] ^= 1 << (bit % 8)
			wrong, err := kem.Decapsulate(key, ciphertext)
			require.NoError(t, err)
			assert.NotEqual(t, shared, wrong)
			again, err := kem.Decapsulate(key, ciphertext)
			require.NoError(t, err)
			assert.Equal(t, wrong, again)
			ciphertext[bit/8] ^= 1 << (bit % 8)
		}
		for _, length := range []int{0, 1, len(ciphertext) - 1, len(ciphertext) + 1, 1088 + 1568 - len(ciphertext)} {
			_, err := kem.Decapsulate(key, append(bytes.Clone(ciphertext), 0)[:min(length, len(ciphertext)+1)])
			require.ErrorIs(t, err, kem.ErrCiphertext)
			assertCode(t, err, "invalid_input")
		}
	}
}

func TestKeysForOtherPurposesAreRefused(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{"ES256", "Ed25519", "HS256", "A256GCM/A256KW", "A256GCM/ECDH-ES", "ECDH", "HKDF-SHA256"} {
		key := generate(t, algorithm)
		_, _, err := kem.Encapsulate(key)
		assertCode(t, err, "key_mismatch")
		_, err = kem.Decapsulate(key, make([]byte, 1088))
		assertCode(t, err, "key_mismatch")
	}
	key := generate(t, "ML-KEM-768")
	public, err := key.Public()
	require.NoError(t, err)
	_, err = kem.Decapsulate(public, make([]byte, 1088))
	assertCode(t, err, "key_mismatch")

	renamed := *key
	renamed.Algorithm = "ML-KEM-1024"
	_, _, err = kem.Encapsulate(&renamed)
	assertCode(t, err, "key_mismatch")
	for _, attributes := range []jwk.Attributes{{Algorithm: "ML-KEM-768", Operations: []string{"wrapKey"}}, {Algorithm: "ML-KEM-768", Use: "sig"}} {
		limited := *key
		limited.Attributes = attributes
		_, _, err = kem.Encapsulate(&limited)
		assertCode(t, err, "key_mismatch")
		_, err = kem.Decapsulate(&limited, make([]byte, 1088))
		assertCode(t, err, "key_mismatch")
	}
	encapsulating := *key
	encapsulating.Operations = []string{"encapsulateKey"}
	_, _, err = kem.Encapsulate(&encapsulating)
	require.NoError(t, err)
	_, err = kem.Decapsulate(&encapsulating, make([]byte, 1088))
	assertCode(t, err, "key_mismatch")

	key.Zero()
	_, err = kem.Decapsulate(key, make([]byte, 1088))
	assertCode(t, err, "key_mismatch")
}

func FuzzDecapsulate(f *testing.F) {
	var keys []*jwk.Key
	for _, name := range parameterSets() {
		key := generate(f, name)
		_, ciphertext, err := kem.Encapsulate(key)
		require.NoError(f, err)
		f.Add(ciphertext)
		f.Add(ciphertext[1:])
		keys = append(keys, key)
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, ciphertext []byte) {
		for _, key := range keys {
			mechanism, err := alg.LookupKEM(key.Algorithm)
			require.NoError(t, err)
			shared, err := kem.Decapsulate(key, ciphertext)
			if len(ciphertext) != mechanism.CiphertextSize {
				require.ErrorIs(t, err, kem.ErrCiphertext)
				continue
			}
			require.NoError(t, err)
			require.Len(t, shared, alg.KEMSecretBytes)
		}
	})
}
