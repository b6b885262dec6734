package jose_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/sdjwt"
)

func TestSelectiveDisclosure_HolderChoosesAndProvesAndVerifierSeesNoMore(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.Operator(t)
		s.create(t, token, "issuer", "ES256")
		s.create(t, token, "holder", "Ed25519")
		s.create(t, token, "thief", "Ed25519")
		s.create(t, token, "shared", "HS256")
		s.create(t, token, "box", "A256GCM/A256KW")
		s.profile(t, token, "card", object{"key": "issuer", "typ": "dc+sd-jwt", "revocation": true, "lifetime_seconds": 600})
		s.profile(t, token, "other", object{"key": "issuer", "typ": "other+sd-jwt"})
		s.profile(t, token, "boxed", object{"key": "issuer", "encryption_key": "box"})
		s.profile(t, token, "mac", object{"key": "shared"})
		holder := s.get(t, token, "keys/holder/public-key").Object(t)["jwk"].(object)
		claims := object{"name": "Ada", "address": object{"street": "Main", "city": "Rome"}, "nations": []string{"IT", "GB"}, "level": 3}
		ask := object{
			"profile": "card", "subject": "ada", "claims": claims, "holder_jwk": object{"kty": holder["kty"], "crv": holder["crv"], "x": holder["x"]},
			"selective": []string{"/name", "/address", "/address/street", "/nations/1", "/sub"}, "decoys": 2, "hash": "sha-384",
		}
		issued := s.post(t, token, "sd-jwt/issue", ask)
		whole := issued.Member(t, "token")
		parsed, err := sdjwt.Parse(whole)
		require.NoError(t, err)
		paths, err := parsed.Paths()
		require.NoError(t, err)
		assert.Len(t, paths, 5)
		seen := s.post(t, token, "sd-jwt/verify", object{"profile": "card", "token": whole}).Object(t)["claims"].(object)
		assert.Equal(t, []any{"ada", "Ada", "Main"}, []any{seen["sub"], seen["name"], seen["address"].(object)["street"]})

		nationality := ""
		for _, path := range paths {
			if strings.HasPrefix(path, "/nations/") {
				nationality = path
			}
		}
		proof := object{"audience": "https://bar.example", "nonce": "n-1"}
		present := func(disclose []string, more object) answer {
			body := object{"token": whole, "disclose": disclose}
			for name, value := range more {
				body[name] = value
			}
			return s.call(t, token, http.MethodPost, "sd-jwt/present", body)
		}
		shown := present([]string{"/address", nationality}, object{"key": "holder", "audience": proof["audience"], "nonce": proof["nonce"]})
		require.Equal(t, http.StatusOK, shown.Status, "%s", shown.Body)
		bound := shown.Member(t, "token")
		verified := s.post(t, token, "sd-jwt/verify", object{"profile": "card", "token": bound, "binding": proof}).Object(t)
		seen = verified["claims"].(object)
		assert.Equal(t, object{"city": "Rome"}, seen["address"], "what is inside stays hidden")
		assert.NotContains(t, seen, "name")
		assert.NotContains(t, seen, "sub")
		assert.Equal(t, holder["x"], verified["holder_jwk"].(object)["x"])

		bare := present([]string{"/address"}, nil).Member(t, "token")
		verify := func(profile, text string, binding any) answer {
			body := object{"profile": profile, "token": text}
			if binding != nil {
				body["binding"] = binding
			}
			return s.call(t, token, http.MethodPost, "sd-jwt/verify", body)
		}
		for what, c := range map[string]struct {
			profile, token string
			binding        any
			code           string
		}{
			"without a proof":               {"card", bare, proof, "invalid_sd_jwt"},
			"another verifier":              {"card", bound, object{"audience": "https://foo.example", "nonce": "n-1"}, "invalid_sd_jwt"},
			"another nonce":                 {"card", bound, object{"audience": "https://bar.example", "nonce": "n-2"}, "invalid_sd_jwt"},
			"a disclosure taken out":        {"card", without(bound, 1), proof, "invalid_sd_jwt"},
			"a disclosure twice":            {"card", strings.Replace(whole, "~", "~"+strings.Split(whole, "~")[1]+"~", 1), nil, "invalid_sd_jwt"},
			"another profile":               {"other", bare, nil, "token_wrong_type"},
			"no SD-JWT":                     {"card", "a.b.c", nil, "invalid_sd_jwt"},
			"a broken signature":            {"card", strings.Replace(bare, "~", "x~", 1), nil, "token_bad_signature"},
			"a disclosure of another token": {"card", bare + strings.Split(s.post(t, token, "sd-jwt/issue", ask).Member(t, "token"), "~")[1] + "~", nil, "invalid_sd_jwt"},
		} {
			verify(c.profile, c.token, c.binding).refused(t, http.StatusBadRequest, c.code, what)
		}
		verify("boxed", bare, nil).refused(t, http.StatusConflict, "invalid_state", "an encrypting profile")
		present([]string{"/address/street"}, nil).refused(t, http.StatusBadRequest, "invalid_input", "inside without what it is inside of")
		present([]string{"/nobody"}, nil).refused(t, http.StatusBadRequest, "validation_failed", "what is not there")
		present(nil, object{"key": "holder"}).refused(t, http.StatusBadRequest, "validation_failed", "a proof to nobody")
		present([]string{}, object{"key": "thief", "audience": "x", "nonce": "y"}).refused(t, http.StatusBadRequest, "key_mismatch", "another holder's key")

		issue := func(change object) answer {
			body := object{}
			for name, value := range ask {
				body[name] = value
			}
			for name, value := range change {
				body[name] = value
			}
			return s.call(t, token, http.MethodPost, "sd-jwt/issue", body)
		}
		for what, change := range map[string]object{
			"the issuer": {"selective": []string{"/iss"}}, "the expiry": {"selective": []string{"/exp"}}, "the id": {"selective": []string{"/jti"}},
			"what is not there": {"selective": []string{"/nobody"}}, "behind a list": {"selective": []string{"/nations/2"}},
			"a place of another form": {"selective": []string{"/nations/01"}}, "no pointer": {"selective": []string{"name"}},
			"the same twice": {"selective": []string{"/name", "/name"}}, "through a number": {"selective": []string{"/level/x"}},
		} {
			issue(change).refused(t, http.StatusBadRequest, "validation_failed", what)
		}
		_, private, _ := generate(t, "ES256")
		issue(object{"holder_jwk": raw(private)}).refused(t, http.StatusBadRequest, "invalid_jwk", "a private key of the holder")
		issue(object{"claims": object{"_sd": []string{}}, "selective": []string{}}).refused(t, http.StatusBadRequest, "invalid_input", "a reserved name")
		issue(object{"profile": "mac"}).refused(t, http.StatusBadRequest, "key_mismatch", "a shared secret")
		issue(object{"profile": "boxed"}).refused(t, http.StatusConflict, "invalid_state", "an encrypting profile")

		s.post(t, token, "profiles/card/revoke", object{"jti": issued.Member(t, "jti")})
		verify("card", bare, nil).refused(t, http.StatusBadRequest, "token_revoked", "revoked")
	})
}

// without takes the disclosure out of an SD-JWT that stands at a place.
func without(token string, place int) string {
	parts := strings.Split(token, "~")
	return strings.Join(append(parts[:place:place], parts[place+1:]...), "~")
}
