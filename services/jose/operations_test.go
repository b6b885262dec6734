package jose_test

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server/contract"
)

// operations are those of the API document.
func operations(t testing.TB) []*contract.Operation {
	t.Helper()
	document, err := os.ReadFile("api/openapi.yaml")
	require.NoError(t, err)
	c, err := contract.Load(document)
	require.NoError(t, err)
	return c.Operations()
}

// holding is what a tenant has: the names under which its things are asked for.
type holding struct {
	tenant, token                      string
	signer, box, profile, nested       string // references
	jws, jwe, jwt, nestedJWT, card, id string // what was made with them
}

// newHolding makes one of everything in a tenant. Its things are named by their ids.
func newHolding(t testing.TB, s *service, tenant, token string) holding {
	t.Helper()
	h := holding{tenant: tenant, token: token}
	made := func(path string, body object) string { return s.post(t, token, path, body).Member(t, "id") }
	h.signer = made("keys", object{"name": tenant + "-signer", "algorithm": "ES256", "exportable": true, "description": tenant + " secret words"})
	csr := s.post(t, token, "keys/"+h.signer+"/csr", object{"dns_names": []string{"signer.example"}}).Member(t, "pem")
	certified := s.call(t, token, http.MethodPut, "keys/"+h.signer+"/certificate", object{"pem": leafFor(t, csr)})
	require.Equal(t, http.StatusOK, certified.Status, "%s", certified.Body)
	h.box = made("keys", object{"name": tenant + "-box", "algorithm": "A256GCM/A256KW"})
	policy := object{"issuer": "https://" + tenant + ".example", "audience": []string{"api"}, "revocation": true, "key": h.signer, "name": tenant + "-access"}
	h.profile = made("profiles", policy)
	policy["name"], policy["encryption_key"] = tenant+"-nested", h.box
	h.nested = made("profiles", policy)
	h.jws = s.post(t, token, "jws/sign", object{"key": h.signer, "payload": encoded(tenant + " words")}).Member(t, "message")
	h.jwe = s.post(t, token, "jwe/encrypt", object{"key": h.box, "plaintext": encoded(tenant + " words")}).Member(t, "message")
	issued := s.post(t, token, "jwt/issue", object{"profile": h.profile})
	h.jwt, h.id = issued.Member(t, "token"), issued.Member(t, "jti")
	h.nestedJWT = s.post(t, token, "jwt/issue", object{"profile": h.nested}).Member(t, "token")
	holder := s.get(t, token, "keys/"+h.signer+"/public-key").Object(t)["jwk"]
	h.card = s.post(t, token, "sd-jwt/issue", object{"profile": h.profile, "holder_jwk": holder, "claims": object{"name": "x"}, "selective": []string{"/name"}}).Member(t, "token")
	return h
}

// ask is a request. Where it names something that is not there, the answer has the code.
type ask struct {
	path string
	body any
	code string
}

const notFound = "not_found"

// asks are requests for every operation of the document; those that name nothing of a tenant's have no code.
var asks = map[string]func(h holding) []ask{
	"createKey": func(holding) []ask { return []ask{{"keys", object{"name": "x", "algorithm": "none"}, ""}} },
	"importKey": func(holding) []ask { return []ask{{"keys/import", object{"name": "x", "jwk": object{"kty": "x"}}, ""}} },
	// It is off without a KMS; with one its scopes and its tenants are tried where there is one.
	"adoptKMSKey": func(holding) []ask { return nil },
	"listKeys":    func(holding) []ask { return []ask{{"keys", nil, ""}} },
	"getKey": func(h holding) []ask {
		return []ask{{"keys/" + h.signer, nil, notFound}, {"keys/" + h.tenant + "-signer", nil, notFound}, {"keys/" + h.signer + ".1", nil, notFound}}
	},
	"updateKey": func(h holding) []ask { return []ask{{"keys/" + h.signer, object{"description": "x"}, notFound}} },
	"getPublicKey": func(h holding) []ask {
		return []ask{{"keys/" + h.signer + "/public-key", nil, notFound}, {"keys/" + h.signer + "/public-key?version=1", nil, notFound}}
	},
	"rotateKey":  func(h holding) []ask { return []ask{{"keys/" + h.box + "/rotate", nil, notFound}} },
	"enableKey":  func(h holding) []ask { return []ask{{"keys/" + h.signer + "/enable", nil, notFound}} },
	"disableKey": func(h holding) []ask { return []ask{{"keys/" + h.signer + "/disable", nil, notFound}} },
	"destroyKey": func(h holding) []ask { return []ask{{"keys/" + h.signer + "/destroy", nil, notFound}} },
	"exportKey": func(h holding) []ask {
		return []ask{{"keys/" + h.signer + "/export", object{"recipient": h.box}, notFound}}
	},
	"exportKeys": func(h holding) []ask {
		return []ask{{"keys/export", object{"keys": []string{h.signer}, "recipient": h.box}, notFound}}
	},
	"createCSR": func(h holding) []ask {
		return []ask{{"keys/" + h.signer + "/csr", object{"dns_names": []string{"a.example"}}, notFound}}
	},
	"setCertificate": func(h holding) []ask {
		return []ask{{"keys/" + h.signer + "/certificate", object{"pem": "x"}, notFound}, {"keys/" + h.signer + "/certificate", object{"pem": "x", "version": 1}, notFound}}
	},
	"getCertificate": func(h holding) []ask {
		return []ask{{"keys/" + h.signer + "/certificate", nil, notFound}, {"keys/" + h.tenant + "-signer/certificate?version=1", nil, notFound}}
	},
	"removeCertificate": func(h holding) []ask { return []ask{{"keys/" + h.signer + "/certificate", nil, notFound}} },
	"getKeySet":         func(holding) []ask { return []ask{{"jwks", nil, ""}} },
	"listProfiles":      func(holding) []ask { return []ask{{"profiles", nil, ""}} },
	"getProfile": func(h holding) []ask {
		return []ask{{"profiles/" + h.profile, nil, notFound}, {"profiles/" + h.tenant + "-access", nil, notFound}}
	},
	"updateProfile": func(h holding) []ask { return []ask{{"profiles/" + h.profile, object{"description": "x"}, notFound}} },
	"deleteProfile": func(h holding) []ask { return []ask{{"profiles/" + h.profile, nil, notFound}} },
	"revokeToken": func(h holding) []ask {
		return []ask{{"profiles/" + h.profile + "/revoke", object{"jti": h.id}, notFound}}
	},
	"thumbprint": func(holding) []ask { return []ask{{"thumbprints", object{"jwk": object{"kty": "x"}}, ""}} },
	"listKeyVersions": func(h holding) []ask {
		return []ask{{"keys/" + h.signer + "/versions", nil, notFound}}
	},
	"getKeyVersion":     func(h holding) []ask { return []ask{{"keys/" + h.signer + "/versions/1", nil, notFound}} },
	"destroyKeyVersion": func(h holding) []ask { return []ask{{"keys/" + h.signer + "/versions/1/destroy", nil, notFound}} },
	"createProfile": func(h holding) []ask {
		return []ask{{"profiles", object{"name": "x", "issuer": "x", "audience": []string{"x"}, "key": h.signer}, "validation_failed"}}
	},
	"signJWS": func(h holding) []ask {
		return []ask{{"jws/sign", object{"key": h.signer, "payload": "aGk"}, notFound}, {"jws/sign", object{"signers": []object{{"key": h.signer}}, "payload": "aGk"}, notFound}}
	},
	"verifyJWS": func(h holding) []ask {
		return []ask{
			{"jws/verify", object{"message": h.jws}, "verification_failed"},
			{"jws/verify", object{"message": h.jws, "key": h.signer}, notFound},
			{"jws/verify", object{"message": h.jws, "accept": "any"}, "verification_failed"},
		}
	},
	"encryptJWE": func(h holding) []ask {
		return []ask{{"jwe/encrypt", object{"key": h.box, "plaintext": "aGk"}, notFound}, {"jwe/encrypt", object{"recipients": []object{{"key": h.box}}, "plaintext": "aGk"}, notFound}}
	},
	"decryptJWE": func(h holding) []ask {
		return []ask{{"jwe/decrypt", object{"message": h.jwe}, "decryption_failed"}, {"jwe/decrypt", object{"message": h.jwe, "key": h.box}, notFound}}
	},
	"issueJWT": func(h holding) []ask {
		return []ask{{"jwt/issue", object{"profile": h.profile}, notFound}, {"jwt/issue", object{"profile": h.nested}, notFound}}
	},
	"verifyJWT": func(h holding) []ask {
		return []ask{{"jwt/verify", object{"profile": h.profile, "token": h.jwt}, notFound}, {"jwt/verify", object{"profile": h.nested, "token": h.nestedJWT}, notFound}}
	},
	"issueSDJWT": func(h holding) []ask {
		return []ask{{"sd-jwt/issue", object{"profile": h.profile, "claims": object{}, "selective": []string{}}, notFound}}
	},
	"verifySDJWT": func(h holding) []ask {
		return []ask{{"sd-jwt/verify", object{"profile": h.profile, "token": h.card}, notFound}}
	},
	"presentSDJWT": func(h holding) []ask {
		return []ask{{"sd-jwt/present", object{"token": h.card, "disclose": []string{}, "key": h.signer, "audience": "a", "nonce": "n"}, notFound}}
	},
}

// send makes the request of an operation.
func (s *service) send(t testing.TB, token string, op *contract.Operation, a ask) answer {
	t.Helper()
	if op.Method == http.MethodPatch || op.Method == http.MethodDelete {
		return s.call(t, token, op.Method, a.path, a.body, "If-Match", `"1"`, "Content-Type", "application/merge-patch+json")
	}
	return s.call(t, token, op.Method, a.path, a.body)
}

func TestScopes_EachAllowsWhatTheDocumentSaysAndNothingElse(t *testing.T) {
	t.Parallel()
	s, operator := alone(t)
	h := newHolding(t, s, "default", operator)
	scopes := []string{"jose:anything", "kms:admin", "jose:admins", ""}
	for _, op := range operations(t) {
		for _, all := range op.Scopes {
			scopes = append(scopes, all...)
		}
	}
	slices.Sort(scopes)
	for _, scope := range slices.Compact(scopes) {
		token := s.Token(t, "default", "with-"+strings.ReplaceAll(scope, ":", "-"), strings.Fields(scope)...)
		for _, op := range operations(t) {
			for _, a := range asks[op.ID](h) {
				got := s.send(t, token, op, a)
				if op.Permits([]string{scope}) {
					assert.NotEqual(t, http.StatusForbidden, got.Status, "%s with %q: %s", op.ID, scope, got.Body)
					continue
				}
				got.refused(t, http.StatusForbidden, "insufficient_scope", op.ID+" with "+scope)
				assert.Contains(t, got.Header.Get("WWW-Authenticate"), `error="insufficient_scope"`, op.ID)
			}
		}
	}
	for _, op := range operations(t) {
		for _, a := range asks[op.ID](h) {
			s.send(t, "", op, a).refused(t, http.StatusUnauthorized, "unauthenticated", op.ID)
		}
	}
}

// One tenant tries every operation of the document with all that another one has.
func TestTenants_AreApartOnEveryOperation(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		s.Tenant(t, "victim")
		s.Tenant(t, "stranger")
		theirs := newHolding(t, s, "victim", s.Token(t, "victim", "theirs", "jose:admin"))
		ours := s.Token(t, "stranger", "ours", "jose:admin")
		none := theirs
		none.signer, none.box, none.profile, none.nested = "0190a0b0-0000-7000-8000-000000000001", "0190a0b0-0000-7000-8000-000000000002",
			"0190a0b0-0000-7000-8000-000000000003", "0190a0b0-0000-7000-8000-000000000004"
		none.tenant = "nobody"
		everything := func() string {
			var all strings.Builder
			for _, path := range []string{"keys", "profiles", "keys/" + theirs.signer + "/versions", "keys/" + theirs.box + "/versions", "jwks"} {
				all.Write(s.get(t, theirs.token, path).Body)
			}
			return all.String()
		}
		before := everything()
		for _, op := range operations(t) {
			of, known := asks[op.ID]
			require.True(t, known, "%s is new: say how somebody tries to reach another tenant by it", op.ID)
			for i, a := range of(theirs) {
				got := s.send(t, ours, op, a)
				got.Traceless(t, []string{"victim", theirs.signer, theirs.box, theirs.profile, theirs.nested, theirs.id}, "", op.ID)
				if op.StepUp {
					got.refused(t, http.StatusUnauthorized, "step_up_required", op.ID)
					continue
				}
				if a.code == "" {
					continue
				}
				got.LooksAbsent(t, s.send(t, ours, op, of(none)[i]).Answer, a.code, op.ID)
			}
		}
		assert.Equal(t, before, everything(), "nothing of theirs has changed")
		for _, name := range []string{"victim-signer", "victim-box"} {
			s.create(t, ours, name, "ES256") // names are each tenant's own
		}
		for _, list := range []string{"keys", "profiles"} {
			cursor := s.get(t, theirs.token, list+"?limit=1").Member(t, "next_cursor")
			s.call(t, ours, http.MethodGet, list+"?limit=1&cursor="+cursor, nil).refused(t, http.StatusBadRequest, "invalid_cursor", "another's cursor")
		}
	})
}

// Two replicas on one database are one service.
func TestReplicas_ActAsOne(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, first, second *service) {
		token := first.Operator(t)
		h := newHolding(t, first, "default", token)
		for _, op := range operations(t) {
			if op.Changes() || op.StepUp {
				continue
			}
			for _, a := range asks[op.ID](h) {
				if a.code == "" {
					continue
				}
				got := second.send(t, token, op, a)
				assert.Equal(t, 2, got.Status/100, "%s on the other replica: %s", op.ID, got.Body)
			}
		}
		second.post(t, token, "profiles/"+h.profile+"/revoke", object{"jti": h.id})
		first.call(t, token, http.MethodPost, "jwt/verify", object{"profile": h.profile, "token": h.jwt}).
			refused(t, http.StatusBadRequest, "token_revoked", "a revocation elsewhere is in force at once")
		first.post(t, token, "keys/"+h.signer+"/disable", nil)
		require.Eventually(t, func() bool {
			return second.call(t, token, http.MethodPost, "jws/sign", object{"key": h.signer, "payload": "aGk"}).Status == http.StatusConflict
		}, time.Second, 5*time.Millisecond, "a key that was disabled elsewhere signs no more within a second")
		once := first.call(t, token, http.MethodPost, "keys", object{"name": "once", "algorithm": "ES256"}, "Idempotency-Key", "k")
		again := second.call(t, token, http.MethodPost, "keys", object{"name": "once", "algorithm": "ES256"}, "Idempotency-Key", "k")
		assert.Equal(t, string(once.Body), string(again.Body))
	})
}
