package usetest_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// largeRSA is the one RSA key above 2048 bits of a run: making one takes seconds. The seed draws it.
var largeRSA = sync.OnceValue(drawLargeRSA)

// drawn is a kind, and the seed that drew it.
type drawn struct {
	kmstest.Kind

	seed uint64
}

func drawLargeRSA() drawn {
	d := drawn{seed: mathrand.Uint64()}
	draw := mathrand.New(mathrand.NewPCG(d.seed, 0))
	d.Algorithm = []string{"A256GCM/RSA-OAEP-256", "PS256", "RS256"}[draw.IntN(3)]
	d.KeySize = []int{3072, 3072, 3072, 4096}[draw.IntN(4)]
	return d
}

// withRSA adds RSA keys: on SQLite of 2048 bits for each algorithm, and the large one if it is for one of them; on PostgreSQL one, because
// the size of a key is nothing to a database.
func withRSA(t testing.TB, s *kmstest.Service, kinds []kmstest.Kind, algorithms ...string) []kmstest.Kind {
	t.Helper()
	if s.Config.Database.Engine != database.EngineSQLite {
		algorithms = algorithms[:1]
	}
	for _, algorithm := range algorithms {
		kinds = append(kinds, kmstest.Kind{Algorithm: algorithm, KeySize: 2048})
	}
	large := largeRSA()
	if s.Config.Database.Engine == database.EngineSQLite && slices.Contains(algorithms, large.Algorithm) {
		t.Logf("seed %d: %s with %d bits", large.seed, large.Algorithm, large.KeySize)
		kinds = append(kinds, large.Kind)
	}
	for i := range kinds {
		kinds[i].Name = fmt.Sprintf("key-%d", i)
	}
	return kinds
}

// rotates tells whether a test makes a second version: a large RSA key takes seconds.
func rotates(k kmstest.Kind) bool { return k.KeySize <= 2048 }

func TestEncryption_WithEveryAlgorithm(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		token := s.Operator(t)
		kinds := []kmstest.Kind{
			{Algorithm: "A256GCM/A256KW"},
			{Algorithm: "A256GCM/dir"},
			{Algorithm: "A128CBC-HS256/A192GCMKW"},
			{Algorithm: "A192GCM/ECDH-ES"},
			{Algorithm: "A256GCM/ECDH-ES+A256KW"},
			{Algorithm: "A256GCM/ECDH-ES+A256KW", Curve: "P-256"},
			{Algorithm: "A256GCM/ECDH-ES+A256KW", Curve: "P-384"},
			{Algorithm: "A256GCM/ECDH-ES+A256KW", Curve: "P-521"},
		}
		for _, k := range withRSA(t, s, kinds, "A256GCM/RSA-OAEP-256") {
			t.Run(k.String(), func(t *testing.T) {
				t.Parallel()
				checkEncryption(t, s, token, k)
			})
		}
	})
}

func checkEncryption(t *testing.T, s *kmstest.Service, token string, k kmstest.Kind) {
	t.Helper()
	made := s.Post(t, token, "elastic-keys", k)
	assert.Equal(t, k.Algorithm, made.Member(t, "algorithm"))
	assert.Equal(t, "encrypt", made.Member(t, "use"))
	path, id := "elastic-keys/"+k.Name, made.Member(t, "id")
	plaintext := base64.RawURLEncoding.EncodeToString([]byte(rand.Text()))
	bind := map[string]string{"b": "2", "a": "1", "é": "\n"}
	encrypt := func(version int) string {
		sealed := s.Post(t, token, path+"/encrypt", map[string]any{"plaintext": plaintext, "context": bind})
		assert.Equal(t, id, sealed.Member(t, "elastic_key_id"))
		assert.EqualValues(t, version, sealed.Object(t)["version"])
		message := sealed.Member(t, "ciphertext")
		assert.NotContains(t, string(sealed.Body), plaintext)
		header := kmstest.Protected(t, message)
		enc, management, _ := strings.Cut(k.Algorithm, "/")
		digest := sha256.Sum256([]byte(`{"a":"1","b":"2","é":"\n"}`)) // RFC 8785
		assert.Equal(t, enc, header["enc"])
		assert.Equal(t, management, header["alg"])
		assert.Equal(t, fmt.Sprintf("%s.%d", id, version), header["kid"])
		assert.Equal(t, base64.RawURLEncoding.EncodeToString(digest[:]), header["ctx"])
		return message
	}
	decrypt := func(message string, version int, bind map[string]string) {
		opened := s.Post(t, token, path+"/decrypt", map[string]any{"ciphertext": message, "context": bind})
		assert.Equal(t, plaintext, opened.Member(t, "plaintext"))
		assert.EqualValues(t, version, opened.Object(t)["version"])
		assert.Equal(t, id, opened.Member(t, "elastic_key_id"))
	}
	refuse := func(message string, bind map[string]string, what string) {
		s.Call(t, token, http.MethodPost, path+"/decrypt", map[string]any{"ciphertext": message, "context": bind}).
			Refused(t, http.StatusBadRequest, "decryption_failed", what)
	}
	first := encrypt(1)
	decrypt(first, 1, bind)
	assert.NotEqual(t, first, encrypt(1), "encryption is randomized")
	refuse(first, kmstest.Unbound(), "without its context")
	outside := fromOutside(t, s, token, k, plaintext, id+".1")
	if outside != "" {
		decrypt(outside, 1, kmstest.Unbound())
		refuse(outside, bind, "a message from outside has no context")
		decrypt(fromOutside(t, s, token, k, plaintext, ""), 1, kmstest.Unbound()) // of the primary version, if it names none
		for _, kid := range []string{id, id + ".2", id + ".01", id + ".1.1", uuid.NewString() + ".1", ".1", "1", strings.ToUpper(id) + ".1", "../" + id + ".1"} {
			refuse(fromOutside(t, s, token, k, plaintext, kid), kmstest.Unbound(), "a message that says it is for "+kid)
		}
	}
	parts := strings.Split(first, ".")
	for i, part := range parts {
		if part == "" {
			continue
		}
		for _, at := range []int{0, len(part) / 2, len(part) - 1} {
			spoilt := append([]string{}, parts...)
			spoilt[i] = part[:at] + kmstest.NextLetter(part[at]) + part[at+1:]
			refuse(strings.Join(spoilt, "."), bind, fmt.Sprintf("part %d changed at %d", i, at))
		}
	}
	if !rotates(k) {
		return
	}
	s.Post(t, token, path+"/rotate", nil)
	second := encrypt(2)
	decrypt(second, 2, bind)
	decrypt(first, 1, bind)
	if outside != "" {
		decrypt(outside, 1, kmstest.Unbound())
	}
	swapped := strings.Split(second, ".")
	swapped[0] = parts[0]
	refuse(strings.Join(swapped, "."), bind, "the header of another version")
	s.Call(t, token, http.MethodPost, path+"/sign", map[string]any{"payload": ""}).Refused(t, http.StatusConflict, "wrong_key_use", "sign")
	s.Call(t, token, http.MethodPost, path+"/verify", map[string]any{"signature": ""}).Refused(t, http.StatusConflict, "wrong_key_use", "verify")
}

// fromOutside encrypts as somebody does who has the public key only, with a `kid`; nothing for a symmetric key, which has no public part.
func fromOutside(t testing.TB, s *kmstest.Service, token string, k kmstest.Kind, plaintext, kid string) string {
	t.Helper()
	path := "elastic-keys/" + k.Name + "/public-key"
	enc, management, _ := strings.Cut(k.Algorithm, "/")
	if !strings.HasPrefix(management, "RSA") && !strings.HasPrefix(management, "ECDH") {
		s.Call(t, token, http.MethodGet, path, nil).Refused(t, http.StatusConflict, "no_public_key", k.String())
		return ""
	}
	public := s.Get(t, token, path)
	key := publicKey(t, public, k)
	assert.Equal(t, public.Member(t, "kid"), key.ID, "the public key names its version")
	key.ID = kid
	content, err := base64.RawURLEncoding.DecodeString(plaintext)
	require.NoError(t, err)
	message, err := jwe.Encrypt(key, jwe.Header{Algorithm: management, Encryption: enc}, content)
	require.NoError(t, err)
	assert.NotContains(t, message, plaintext)
	return message
}

// publicKey reads a public key and checks that nothing in it is private.
func publicKey(t testing.TB, public kmstest.Answer, k kmstest.Kind) *jwk.Key {
	t.Helper()
	object := public.Object(t)["jwk"].(map[string]any)
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		assert.NotContains(t, object, private, k.String())
	}
	assert.Equal(t, public.Member(t, "kid"), object["kid"])
	text, err := json.Marshal(object)
	require.NoError(t, err)
	key, err := jwk.Parse(text)
	require.NoError(t, err)
	assert.False(t, key.IsPrivate())
	switch {
	case k.KeySize != 0:
		assert.Equal(t, k.KeySize, key.Size())
	case k.Curve != "":
		assert.Equal(t, k.Curve, key.Curve())
	case key.Type() == alg.KeyTypeEC && strings.Contains(k.Algorithm, "ECDH"):
		assert.Equal(t, "P-256", key.Curve(), "the default")
	}
	return key
}

func TestCreate_RefusesAlgorithmsByName(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
	for _, algorithm := range []string{
		"none", "None", "", "A256GCM", "A256KW", "dir", "A256GCM/", "/A256KW", "A256GCM/A256KW/dir", "A256KW/A256GCM", "a256gcm/a256kw", "A256GCM/A256KW ",
		"A256GCM/RSA1_5", "A256GCM/RSA-OAEP", "A256GCM/PBES2-HS256+A128KW", "A256GCM/none", "none/A256KW", "A256GCM/ECDH-1PU", "A256GCM/X25519",
		"RS1", "HS1", "ES256K", "Ed448", "RSA1_5", "RSA-OAEP", "es256", "SHA256withRSA", "ML-KEM-512", "HKDF-SHA1", "ECDH-ES",
	} {
		got := s.Call(t, h.Token, http.MethodPost, "elastic-keys", map[string]any{"name": "refused", "algorithm": algorithm})
		assert.Equal(t, http.StatusBadRequest, got.Status, "%s: %s", algorithm, got.Body)
		want := "unsupported_algorithm"
		if algorithm == "" {
			want = "validation_failed"
		}
		assert.Equal(t, want, got.Member(t, "code"), algorithm)
	}
	for _, k := range []kmstest.Kind{
		{Algorithm: "A256GCM/A256KW", KeySize: 2048},
		{Algorithm: "ES256", KeySize: 2048},
		{Algorithm: "ES256", Curve: "P-384"},
		{Algorithm: "Ed25519", Curve: "P-256"},
		{Algorithm: "RS256", Curve: "P-256"},
		{Algorithm: "A256GCM/A256KW", Curve: "P-256"},
		{Algorithm: "HS256", KeySize: 2048},
		{Algorithm: "A256GCM/ECDH-ES+A256KW", KeySize: 2048},
	} {
		k.Name = "refused"
		s.Call(t, h.Token, http.MethodPost, "elastic-keys", k).Refused(t, http.StatusBadRequest, "unsupported_algorithm", k.String())
	}
	for _, k := range []kmstest.Kind{
		{Algorithm: "RS256", KeySize: 1024},
		{Algorithm: "RS256", KeySize: 2047},
		{Algorithm: "RS256", KeySize: 16384},
		{Algorithm: "RS256", KeySize: -1},
		{Algorithm: "A256GCM/ECDH-ES+A256KW", Curve: "X25519"},
		{Algorithm: "A256GCM/ECDH-ES+A256KW", Curve: "secp256k1"},
	} {
		k.Name = "refused"
		s.Call(t, h.Token, http.MethodPost, "elastic-keys", k).Refused(t, http.StatusBadRequest, "validation_failed", k.String())
	}
	made := s.Post(t, h.Token, "elastic-keys", kmstest.Kind{Name: "eddsa", Algorithm: "EdDSA"})
	assert.Equal(t, "Ed25519", made.Member(t, "algorithm"), "the old name is understood")
	for _, algorithm := range []string{"Ed25519", "EdDSA"} {
		assert.Len(t, s.Get(t, h.Token, kmstest.Query("elastic-keys", "algorithm", algorithm)).Items(t), 1, "also in a filter")
	}
	s.Call(t, h.Token, http.MethodGet, "elastic-keys/refused", nil).Refused(t, http.StatusNotFound, "not_found", "what was refused is not there")
}
