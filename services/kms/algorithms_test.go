package kms_test

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
)

// kind is a key to make.
type kind struct {
	Name      string `json:"name"`
	Algorithm string `json:"algorithm"`
	KeySize   int    `json:"key_size,omitempty"`
	Curve     string `json:"curve,omitempty"`
}

// largeRSA is the one RSA key above 2048 bits of a run: making one takes seconds. The seed draws it.
var largeRSA = sync.OnceValue(drawLargeRSA)

// drawn is a kind, and the seed that drew it.
type drawn struct {
	kind

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
func withRSA(t testing.TB, s *service, kinds []kind, algorithms ...string) []kind {
	t.Helper()
	if s.cfg.Database.Engine != database.EngineSQLite {
		algorithms = algorithms[:1]
	}
	for _, algorithm := range algorithms {
		kinds = append(kinds, kind{Algorithm: algorithm, KeySize: 2048})
	}
	large := largeRSA()
	if s.cfg.Database.Engine == database.EngineSQLite && slices.Contains(algorithms, large.Algorithm) {
		t.Logf("seed %d: %s with %d bits", large.seed, large.Algorithm, large.KeySize)
		kinds = append(kinds, large.kind)
	}
	for i := range kinds {
		kinds[i].Name = fmt.Sprintf("key-%d", i)
	}
	return kinds
}

// rotates tells whether a test makes a second version: a large RSA key takes seconds.
func (k kind) rotates() bool { return k.KeySize <= 2048 }

func (k kind) String() string {
	return strings.ReplaceAll(fmt.Sprint(k.Algorithm, "_", k.KeySize, k.Curve), "/", "_")
}

// unbound is the context of a message that has none.
var unbound = map[string]string{}

// protected is the protected header of a JWE or a JWS.
func protected(t testing.TB, message string) map[string]any {
	t.Helper()
	encoded, _, _ := strings.Cut(message, ".")
	text, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	require.NoError(t, err)
	var header map[string]any
	require.NoError(t, json.Unmarshal(text, &header))
	return header
}

func TestEncryption_WithEveryAlgorithm(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.operator(t)
		kinds := []kind{
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

func checkEncryption(t *testing.T, s *service, token string, k kind) {
	t.Helper()
	made := s.post(t, token, "elastic-keys", k)
	assert.Equal(t, k.Algorithm, made.member(t, "algorithm"))
	assert.Equal(t, "encrypt", made.member(t, "use"))
	path, id := "elastic-keys/"+k.Name, made.member(t, "id")
	plaintext := base64.RawURLEncoding.EncodeToString([]byte(rand.Text()))
	bind := map[string]string{"b": "2", "a": "1", "é": "\n"}
	encrypt := func(version int) string {
		sealed := s.post(t, token, path+"/encrypt", map[string]any{"plaintext": plaintext, "context": bind})
		assert.Equal(t, id, sealed.member(t, "elastic_key_id"))
		assert.EqualValues(t, version, sealed.object(t)["version"])
		message := sealed.member(t, "ciphertext")
		assert.NotContains(t, string(sealed.body), plaintext)
		header := protected(t, message)
		enc, management, _ := strings.Cut(k.Algorithm, "/")
		digest := sha256.Sum256([]byte(`{"a":"1","b":"2","é":"\n"}`)) // RFC 8785
		assert.Equal(t, enc, header["enc"])
		assert.Equal(t, management, header["alg"])
		assert.Equal(t, fmt.Sprintf("%s.%d", id, version), header["kid"])
		assert.Equal(t, base64.RawURLEncoding.EncodeToString(digest[:]), header["ctx"])
		return message
	}
	decrypt := func(message string, version int, bind map[string]string) {
		opened := s.post(t, token, path+"/decrypt", map[string]any{"ciphertext": message, "context": bind})
		assert.Equal(t, plaintext, opened.member(t, "plaintext"))
		assert.EqualValues(t, version, opened.object(t)["version"])
		assert.Equal(t, id, opened.member(t, "elastic_key_id"))
	}
	refuse := func(message string, bind map[string]string, what string) {
		s.call(t, token, http.MethodPost, path+"/decrypt", map[string]any{"ciphertext": message, "context": bind}).
			refused(t, http.StatusBadRequest, "decryption_failed", what)
	}
	first := encrypt(1)
	decrypt(first, 1, bind)
	assert.NotEqual(t, first, encrypt(1), "encryption is randomized")
	refuse(first, unbound, "without its context")
	outside := fromOutside(t, s, token, k, plaintext, id+".1")
	if outside != "" {
		decrypt(outside, 1, unbound)
		refuse(outside, bind, "a message from outside has no context")
		decrypt(fromOutside(t, s, token, k, plaintext, ""), 1, unbound) // of the primary version, if it names none
		for _, kid := range []string{id, id + ".2", id + ".01", id + ".1.1", uuid.NewString() + ".1", ".1", "1", strings.ToUpper(id) + ".1", "../" + id + ".1"} {
			refuse(fromOutside(t, s, token, k, plaintext, kid), unbound, "a message that says it is for "+kid)
		}
	}
	parts := strings.Split(first, ".")
	for i, part := range parts {
		if part == "" {
			continue
		}
		for _, at := range []int{0, len(part) / 2, len(part) - 1} {
			spoilt := append([]string{}, parts...)
			spoilt[i] = part[:at] + nextLetter(part[at]) + part[at+1:]
			refuse(strings.Join(spoilt, "."), bind, fmt.Sprintf("part %d changed at %d", i, at))
		}
	}
	if !k.rotates() {
		return
	}
	s.post(t, token, path+"/rotate", nil)
	second := encrypt(2)
	decrypt(second, 2, bind)
	decrypt(first, 1, bind)
	if outside != "" {
		decrypt(outside, 1, unbound)
	}
	swapped := strings.Split(second, ".")
	swapped[0] = parts[0]
	refuse(strings.Join(swapped, "."), bind, "the header of another version")
	s.call(t, token, http.MethodPost, path+"/sign", map[string]any{"payload": ""}).refused(t, http.StatusConflict, "wrong_key_use", "sign")
	s.call(t, token, http.MethodPost, path+"/verify", map[string]any{"signature": ""}).refused(t, http.StatusConflict, "wrong_key_use", "verify")
}

// fromOutside encrypts as somebody does who has the public key only, with a `kid`; nothing for a symmetric key, which has no public part.
func fromOutside(t testing.TB, s *service, token string, k kind, plaintext, kid string) string {
	t.Helper()
	path := "elastic-keys/" + k.Name + "/public-key"
	enc, management, _ := strings.Cut(k.Algorithm, "/")
	if !strings.HasPrefix(management, "RSA") && !strings.HasPrefix(management, "ECDH") {
		s.call(t, token, http.MethodGet, path, nil).refused(t, http.StatusConflict, "no_public_key", k.String())
		return ""
	}
	public := s.get(t, token, path)
	key := publicKey(t, public, k)
	assert.Equal(t, public.member(t, "kid"), key.ID, "the public key names its version")
	key.ID = kid
	content, err := base64.RawURLEncoding.DecodeString(plaintext)
	require.NoError(t, err)
	message, err := jwe.Encrypt(key, jwe.Header{Algorithm: management, Encryption: enc}, content)
	require.NoError(t, err)
	assert.NotContains(t, message, plaintext)
	return message
}

// publicKey reads a public key and checks that nothing in it is private.
func publicKey(t testing.TB, public answer, k kind) *jwk.Key {
	t.Helper()
	object := public.object(t)["jwk"].(map[string]any)
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		assert.NotContains(t, object, private, k.String())
	}
	assert.Equal(t, public.member(t, "kid"), object["kid"])
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
	s, h := fixture(t)
	for _, algorithm := range []string{
		"none", "None", "", "A256GCM", "A256KW", "dir", "A256GCM/", "/A256KW", "A256GCM/A256KW/dir", "A256KW/A256GCM", "a256gcm/a256kw", "A256GCM/A256KW ",
		"A256GCM/RSA1_5", "A256GCM/RSA-OAEP", "A256GCM/PBES2-HS256+A128KW", "A256GCM/none", "none/A256KW", "A256GCM/ECDH-1PU", "A256GCM/X25519",
		"RS1", "HS1", "ES256K", "Ed448", "RSA1_5", "RSA-OAEP", "es256", "SHA256withRSA", "ML-KEM-512", "HKDF-SHA1", "ECDH-ES",
	} {
		got := s.call(t, h.token, http.MethodPost, "elastic-keys", map[string]any{"name": "refused", "algorithm": algorithm})
		assert.Equal(t, http.StatusBadRequest, got.status, "%s: %s", algorithm, got.body)
		want := "unsupported_algorithm"
		if algorithm == "" {
			want = "validation_failed"
		}
		assert.Equal(t, want, got.member(t, "code"), algorithm)
	}
	for _, k := range []kind{
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
		s.call(t, h.token, http.MethodPost, "elastic-keys", k).refused(t, http.StatusBadRequest, "unsupported_algorithm", k.String())
	}
	for _, k := range []kind{
		{Algorithm: "RS256", KeySize: 1024},
		{Algorithm: "RS256", KeySize: 2047},
		{Algorithm: "RS256", KeySize: 16384},
		{Algorithm: "RS256", KeySize: -1},
		{Algorithm: "A256GCM/ECDH-ES+A256KW", Curve: "X25519"},
		{Algorithm: "A256GCM/ECDH-ES+A256KW", Curve: "secp256k1"},
	} {
		k.Name = "refused"
		s.call(t, h.token, http.MethodPost, "elastic-keys", k).refused(t, http.StatusBadRequest, "validation_failed", k.String())
	}
	made := s.post(t, h.token, "elastic-keys", kind{Name: "eddsa", Algorithm: "EdDSA"})
	assert.Equal(t, "Ed25519", made.member(t, "algorithm"), "the old name is understood")
	for _, algorithm := range []string{"Ed25519", "EdDSA"} {
		assert.Len(t, s.get(t, h.token, query("elastic-keys", "algorithm", algorithm)).items(t), 1, "also in a filter")
	}
	s.call(t, h.token, http.MethodGet, "elastic-keys/refused", nil).refused(t, http.StatusNotFound, "not_found", "what was refused is not there")
}
