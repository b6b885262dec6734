package kms_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tenants makes two tenants of one service with keys each.
func tenants(t testing.TB, s *service) (ours, theirs holding) {
	t.Helper()
	s.tenant(t, "stranger")
	theirs = newHolding(t, s, "default", s.token(t, "default", "their-token", "kms:admin"))
	ours = newHolding(t, s, "stranger", s.token(t, "stranger", "our-token", "kms:admin"))
	return ours, theirs
}

// marks are what nobody but the tenant may ever see.
func (h holding) marks() []string {
	return []string{
		h.tenant, h.alias, h.secretID, h.signerID, h.secretName, h.signerName, h.description, h.materialID, h.ciphertext, h.jws, h.raw, h.token,
		h.keysCursor, h.versionCursor, "their-token", h.importedID, h.importedName, h.grantID, h.jobID, h.jobToken, h.jobCursor,
	}
}

// showsNothingOf checks an answer, header included, for traces of a tenant.
func (a answer) showsNothingOf(t testing.TB, h holding, what string) {
	t.Helper()
	header, err := json.Marshal(a.header)
	require.NoError(t, err)
	shown := strings.ToLower(string(header) + string(a.body))
	for _, mark := range h.marks() {
		assert.NotContains(t, shown, strings.ToLower(mark), what)
	}
}

// snapshot is all that a tenant can see of its keys, but for what they were used for, which is counted later.
func (s *service) snapshot(t testing.TB, h holding) string {
	t.Helper()
	var all strings.Builder
	for _, key := range s.get(t, h.token, "elastic-keys").items(t) {
		text, err := json.Marshal(key)
		require.NoError(t, err)
		all.Write(text)
		for _, version := range s.get(t, h.token, "elastic-keys/"+key["id"].(string)+"/material-keys").items(t) {
			delete(version, "uses")
			text, err := json.Marshal(version)
			require.NoError(t, err)
			all.Write(text)
		}
	}
	all.Write(s.get(t, h.token, "aliases").body)
	return all.String()
}

func TestTenants_CannotReachEachOthersKeysByAnyRoute(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		ours, theirs := tenants(t, s)
		before := s.snapshot(t, theirs)
		for _, op := range operations(t) {
			if !strings.Contains(op.Path, "{") || op.StepUp {
				continue // the other tests have those that name nothing, and those that a token is refused
			}
			for _, foreign := range []holding{theirs, theirs.byName(), theirs.upperCase(), theirs.with(ours), nobody(theirs), nobody(theirs).byName()} {
				for _, ask := range asks[op.ID](foreign) {
					got := s.call(t, ours.token, op.Method, ask.path, ask.body)
					got.showsNothingOf(t, theirs, op.ID)
					got.refused(t, http.StatusNotFound, "not_found", op.ID)
					absent := s.call(t, ours.token, op.Method, asks[op.ID](nobody(theirs))[0].path, ask.body)
					assert.Equal(t, absent.essence(t), got.essence(t), "%s: what is another's looks like what does not exist", op.ID)
				}
			}
		}
		assert.Equal(t, before, s.snapshot(t, theirs), "nothing of theirs has changed")
	})
}

// What stands inside a request that is otherwise the caller's own is answered like something that does not exist.
func TestTenants_CannotUseWhatOthersMade(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		ours, theirs := tenants(t, s)
		for _, op := range operations(t) {
			foreign, absent := asks[op.ID](ours.with(theirs)), asks[op.ID](ours.with(nobody(theirs)))
			own := asks[op.ID](ours)
			for i := range foreign {
				if asText(t, own[i]) == asText(t, foreign[i]) || op.ID == "createElasticKey" || op.ID == "createAlias" {
					continue // nothing in this request comes from anywhere else
				}
				got := s.call(t, ours.token, op.Method, foreign[i].path, foreign[i].body)
				got.showsNothingOf(t, theirs, op.ID)
				other := s.call(t, ours.token, op.Method, absent[i].path, absent[i].body)
				if op.Batch {
					assert.Equal(t, itemEssences(t, other), itemEssences(t, got), "%s: each item has its own answer", op.ID)
					continue
				}
				assert.Equal(t, other.essence(t), got.essence(t), op.ID)
				switch op.ID {
				case "decrypt", "reencrypt", "unwrap":
					got.refused(t, http.StatusBadRequest, "decryption_failed", op.ID)
				case "decapsulate":
					assert.Equal(t, http.StatusOK, got.status, "another's ciphertext gives a secret that nobody has: %s", got.body)
				case "verify", "verifyMac":
					assert.Equal(t, false, got.object(t)["valid"], "%s", got.body)
				case "listElasticKeys", "listMaterialKeys", "listImportJobs":
					got.refused(t, http.StatusBadRequest, "invalid_cursor", op.ID)
				default:
					got.refused(t, http.StatusNotFound, "not_found", op.ID)
				}
			}
		}
	})
}

// itemEssences are the results of a batch without what differs from one request to the next.
func itemEssences(t testing.TB, a answer) []map[string]any {
	t.Helper()
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	results := a.results(t)
	for _, result := range results {
		if document, refused := result["problem"].(map[string]any); refused {
			delete(document, "request_id")
		}
	}
	return results
}

func asText(t testing.TB, ask ask) string {
	t.Helper()
	body, err := json.Marshal(ask.body)
	require.NoError(t, err)
	return ask.path + string(body)
}

func TestTenants_DoNotShowInEachOthersLists(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		ours, theirs := tenants(t, s)
		for _, path := range []string{"self", "elastic-keys", "elastic-keys?limit=1", "elastic-keys?limit=1000", "elastic-keys?status=active"} {
			s.get(t, ours.token, path).showsNothingOf(t, theirs, path)
		}
		assert.Len(t, s.get(t, ours.token, "elastic-keys").items(t), 6)
		for _, name := range []string{theirs.secretName, "nobodys-secret"} {
			assert.JSONEq(t, `{"items":[]}`, string(s.get(t, ours.token, query("elastic-keys", "name", name)).body))
		}
		assert.Equal(t, "stranger", s.get(t, ours.token, "self").member(t, "tenant"))
	})
}

func TestTenants_HaveNamesAndIdempotencyKeysOfTheirOwn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		ours, theirs := tenants(t, s)
		ask := map[string]any{"name": "payroll", "algorithm": "A256GCM/A256KW"}
		first := s.post(t, theirs.token, "elastic-keys", ask, "Idempotency-Key", "once")
		second := s.post(t, ours.token, "elastic-keys", ask, "Idempotency-Key", "once")
		assert.Empty(t, second.header.Get("Idempotency-Replayed"))
		assert.NotEqual(t, first.member(t, "id"), second.member(t, "id"))
		other := s.post(t, ours.token, "elastic-keys/payroll/rotate", nil, "Idempotency-Key", "once")
		assert.Empty(t, other.header.Get("Idempotency-Replayed"))

		// The same name is another key.
		sealed := s.post(t, theirs.token, "elastic-keys/payroll/encrypt", map[string]any{"plaintext": "aGVsbG8"}).member(t, "ciphertext")
		s.call(t, ours.token, http.MethodPost, "elastic-keys/payroll/decrypt", map[string]any{"ciphertext": sealed}).
			refused(t, http.StatusBadRequest, "decryption_failed", "the other payroll")
		assert.EqualValues(t, 1, s.get(t, theirs.token, "elastic-keys/payroll").object(t)["version_count"], "their key did not rotate")
	})
}

func TestTenants_AreNotChosenByTheRequest(t *testing.T) {
	t.Parallel()
	cfg, files := prepare(t, "sqlite")
	s := run(t, cfg, files)
	ours, theirs := tenants(t, s)
	moved := retenant(ours.token, "stranger", "default")
	s.call(t, moved, http.MethodGet, "self", nil).refused(t, http.StatusUnauthorized, "unauthenticated", "a token with another tenant in its text")
	s.call(t, retenant(moved, "our-token", "their-token"), http.MethodGet, "self", nil).
		refused(t, http.StatusUnauthorized, "unauthenticated", "a token with another tenant and id in its text")
	for _, header := range []string{"X-Tenant", "X-Tenant-Id", "Tenant", "X-Forwarded-User", "X-Original-Url", "Forwarded", "X-Http-Method-Override"} {
		got := s.call(t, ours.token, http.MethodGet, "self", nil, header, theirs.tenant)
		assert.Equal(t, "stranger", got.member(t, "tenant"), header)
	}
	s.call(t, ours.token, http.MethodGet, query("self", "tenant", theirs.tenant), nil).
		refused(t, http.StatusBadRequest, "validation_failed", "a tenant in the query")
	for _, prefix := range []string{"/t/default/service/api/v1/", "/service/t/default/api/v1/", "/service/api/v1/t/default/"} {
		s.call(t, ours.token, http.MethodGet, prefix+"self", nil).refused(t, http.StatusNotFound, "not_found", prefix)
	}
}

// retenant replaces a part of a credential and mends its checksum, as somebody who knows the format would.
func retenant(token, from, to string) string {
	const checksumText = 6
	token = strings.Replace(token[:len(token)-checksumText], "_"+from+"_", "_"+to+"_", 1)
	sum := sha256.Sum256([]byte(token))
	return token + base64.RawURLEncoding.EncodeToString(sum[:4])
}

func TestBrowser_AnswersNothingBut401And403(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		h := newHolding(t, s, "default", s.operator(t))
		seen := map[string]string{}
		check := func(got answer, status int, code, what string) {
			t.Helper()
			got.refused(t, status, code, what)
			if first, ok := seen[code]; ok {
				assert.Equal(t, first, got.essence(t), "%s: every answer is alike", what)
			}
			seen[code] = got.essence(t)
			assert.Contains(t, got.header.Get("Content-Security-Policy"), "default-src 'none'", what)
		}
		for _, op := range operations(t) {
			for _, h := range []holding{h, h.byName(), nobody(h)} {
				for _, ask := range asks[op.ID](h) {
					path := "/browser/api/v1/" + ask.path
					check(s.call(t, s.operator(t), op.Method, path, ask.body), http.StatusForbidden, "wrong_client_type", op.ID)
					check(s.call(t, "", op.Method, path, ask.body), http.StatusUnauthorized, "session_required", op.ID)
					check(s.call(t, "", op.Method, path, ask.body, "Cookie", "__Host-cu-kms-default=x"), http.StatusUnauthorized, "session_required", op.ID)
				}
			}
		}
		for _, path := range []string{"/browser/api/v1", "/browser/api/v1/nothing", "/browser/../service/api/v1/self"} {
			check(s.call(t, "", http.MethodGet, path, nil), http.StatusUnauthorized, "session_required", path)
			check(s.call(t, s.operator(t), http.MethodGet, path, nil), http.StatusForbidden, "wrong_client_type", path)
		}
		s.call(t, "", http.MethodGet, "self", nil, "Cookie", "__Host-cu-kms-default=x").
			refused(t, http.StatusForbidden, "wrong_client_type", "a session on /service")
	})
}

func TestStrangers_LearnNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		h := newHolding(t, s, "default", s.operator(t))
		for name, token := range map[string]string{"none": "", "malformed": "cu_at_default", "not ours": "Zm9v", "of nobody": retenant(h.token, "operator", "nobody")} {
			first := ""
			for _, op := range operations(t) {
				for _, h := range []holding{h, nobody(h)} {
					for _, ask := range asks[op.ID](h) {
						got := s.call(t, token, op.Method, ask.path, ask.body)
						got.refused(t, http.StatusUnauthorized, "unauthenticated", name+" "+op.ID)
						if first == "" {
							first = got.essence(t)
						}
						assert.Equal(t, first, got.essence(t), name+" "+op.ID)
					}
				}
			}
			for _, path := range []string{"nothing", "/service/api/v1", "/service", "elastic-keys/x/y/z"} {
				assert.Equal(t, first, s.call(t, token, http.MethodGet, path, nil).essence(t), name+" "+path)
			}
		}
	})
}
