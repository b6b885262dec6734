package jose_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
)

// generate makes a key outside of the service, as JWKs with and without the private part.
func generate(t testing.TB, algorithm string) (key *jwk.Key, private, public []byte) {
	t.Helper()
	spec, err := alg.ParseSpec(algorithm, 0, "")
	require.NoError(t, err)
	key, err = keygen.Generate(spec)
	require.NoError(t, err)
	private, err = key.MarshalPrivate()
	require.NoError(t, err)
	if !key.IsSymmetric() {
		public, err = key.MarshalPublic()
		require.NoError(t, err)
	}
	return key, private, public
}

// profile makes a profile with what more says beside the usual.
func (s *service) profile(t testing.TB, token, name string, more object) answer {
	t.Helper()
	body := object{"name": name, "issuer": "https://shop.example", "audience": []string{"api"}}
	for member, value := range more {
		body[member] = value
	}
	return s.post(t, token, "profiles", body)
}

func TestNestedTokens_AreSignedThenEncryptedAndOpenedByProfileAlone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.Operator(t)
		s.create(t, token, "signer", "ES256")
		s.create(t, token, "box", "A256GCM/ECDH-ES+A256KW")
		s.create(t, token, "other-box", "A256GCM/ECDH-ES+A256KW")
		s.profile(t, token, "secret", object{"key": "signer", "encryption_key": "box", "typ": "at+jwt"})
		s.profile(t, token, "plain", object{"key": "signer", "typ": "at+jwt"})
		s.profile(t, token, "elsewhere", object{"key": "signer", "encryption_key": "other-box", "typ": "at+jwt"})

		issued := s.post(t, token, "jwt/issue", object{"profile": "secret", "subject": "ada", "claims": object{"n": 9007199254740993}})
		text := issued.Member(t, "token")
		assert.Len(t, strings.Split(text, "."), 5)
		assert.Equal(t, "A256GCM/ECDH-ES+A256KW", issued.Object(t)["recipient"].(object)["algorithm"])
		verified := s.post(t, token, "jwt/verify", object{"profile": "secret", "token": text})
		assert.Contains(t, string(verified.Body), `"n":9007199254740993`, "numbers stay as they were written")
		assert.Equal(t, issued.Object(t)["recipient"], verified.Object(t)["recipient"])

		// Only the profile's own scope is needed, and it does not open the box for anything else.
		verifier := s.Token(t, "default", "verifier", "jose:verify")
		s.post(t, verifier, "jwt/verify", object{"profile": "secret", "token": text})
		s.call(t, verifier, http.MethodPost, "jwe/decrypt", object{"message": text}).refused(t, http.StatusForbidden, "insufficient_scope", "a verifier")
		issuer := s.Token(t, "default", "issuer", "jose:issue")
		s.post(t, issuer, "jwt/issue", object{"profile": "secret"})
		s.call(t, issuer, http.MethodPost, "jwe/encrypt", object{"key": "box", "plaintext": ""}).refused(t, http.StatusForbidden, "insufficient_scope", "an issuer")

		inner := apiText(t, s.post(t, token, "jwe/decrypt", object{"message": text}).Member(t, "plaintext"))
		boxed := func(cty, content string) string {
			ask := object{"key": "box", "plaintext": encoded(content)}
			if cty != "" {
				ask["cty"] = cty
			}
			return s.post(t, token, "jwe/encrypt", ask).Member(t, "message")
		}
		plain := s.post(t, token, "jwt/issue", object{"profile": "plain"}).Member(t, "token")
		foreign := s.post(t, token, "jwt/issue", object{"profile": "elsewhere"}).Member(t, "token")
		for what, c := range map[string]struct{ profile, token, code string }{
			"signed alone, where it must be encrypted": {"secret", plain, "token_malformed"},
			"encrypted, where it must not be":          {"plain", text, "token_malformed"},
			"encrypted to another key":                 {"secret", foreign, "token_decryption_failed"},
			"with another tag":                         {"secret", text[:len(text)-4] + "AAAA", "token_decryption_failed"},
			"whose content says nothing of its type":   {"secret", boxed("", inner), "token_wrong_type"},
			"whose content is no token":                {"secret", boxed("JWT", "hello"), "token_malformed"},
			"encrypted twice":                          {"secret", boxed("JWT", text), "token_malformed"},
			"whose inner signature is broken":          {"secret", boxed("JWT", inner[:len(inner)-8]+"AAAAAAAA"), "token_bad_signature"},
		} {
			s.call(t, token, http.MethodPost, "jwt/verify", object{"profile": c.profile, "token": c.token}).refused(t, http.StatusBadRequest, c.code, what)
		}
		s.post(t, token, "jwt/verify", object{"profile": "secret", "token": boxed("JWT", inner)})

		// After a rotation of the box, tokens for the version before are opened still.
		s.post(t, token, "keys/box/rotate", nil)
		s.post(t, token, "jwt/verify", object{"profile": "secret", "token": text})

		// A client that has the private key elsewhere opens what it gets.
		client, _, public := generate(t, "A256GCM/ECDH-ES+A256KW")
		s.post(t, token, "keys/import", object{"name": "client", "algorithm": "A256GCM/ECDH-ES+A256KW", "jwk": raw(public)})
		s.profile(t, token, "for-client", object{"key": "signer", "encryption_key": "client"})
		out := s.post(t, token, "jwt/issue", object{"profile": "for-client"}).Member(t, "token")
		content, header, err := jwe.Decrypt(client, out, jwe.Expect{})
		require.NoError(t, err)
		assert.Equal(t, "JWT", header.ContentType)
		assert.Len(t, strings.Split(string(content), "."), 3)
		s.call(t, token, http.MethodPost, "jwt/verify", object{"profile": "for-client", "token": out}).refused(t, http.StatusConflict, "no_private_key", "elsewhere")

		s.call(t, token, http.MethodPost, "profiles", object{
			"name": "wrong", "issuer": "x", "audience": []string{"x"}, "key": "signer", "encryption_key": "signer",
		}).refused(t, http.StatusConflict, "wrong_key_use", "a signature key to encrypt to")
		s.call(t, token, http.MethodPost, "profiles", object{
			"name": "wrong", "issuer": "x", "audience": []string{"x"}, "key": "signer", "encryption_key": "nobody",
		}).refused(t, http.StatusBadRequest, "validation_failed", "nobody's key")
	})
}
