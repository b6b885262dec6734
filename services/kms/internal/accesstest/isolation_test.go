package accesstest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// tenants makes two tenants of one service with keys each.
func tenants(t testing.TB, s *kmstest.Service) (ours, theirs kmstest.Holding) {
	t.Helper()
	s.Tenant(t, "stranger")
	theirs = kmstest.NewHolding(t, s, "default", s.Token(t, "default", "their-token", "kms:admin"))
	ours = kmstest.NewHolding(t, s, "stranger", s.Token(t, "stranger", "our-token", "kms:admin"))
	return ours, theirs
}

// marks are what nobody but the tenant may ever see.
func marks(h kmstest.Holding) []string {
	return []string{
		h.Tenant, h.Alias, h.SecretID, h.SignerID, h.SecretName, h.SignerName, h.Description, h.MaterialID, h.Ciphertext, h.JWS, h.Raw, h.Token,
		h.KeysCursor, h.VersionCursor, "their-token", h.ImportedID, h.ImportedName, h.GrantID, h.JobID, h.JobToken, h.JobCursor,
	}
}

// showsNothingOf checks an answer, header included, for traces of a tenant.
func showsNothingOf(t testing.TB, a kmstest.Answer, h kmstest.Holding, what string) {
	t.Helper()
	header, err := json.Marshal(a.Header)
	require.NoError(t, err)
	shown := strings.ToLower(string(header) + string(a.Body))
	for _, mark := range marks(h) {
		assert.NotContains(t, shown, strings.ToLower(mark), what)
	}
}

// snapshot is all that a tenant can see of its keys, but for what they were used for, which is counted later.
func snapshot(t testing.TB, s *kmstest.Service, h kmstest.Holding) string {
	t.Helper()
	var all strings.Builder
	for _, key := range s.Get(t, h.Token, "elastic-keys").Items(t) {
		text, err := json.Marshal(key)
		require.NoError(t, err)
		all.Write(text)
		for _, version := range s.Get(t, h.Token, "elastic-keys/"+key["id"].(string)+"/material-keys").Items(t) {
			delete(version, "uses")
			text, err := json.Marshal(version)
			require.NoError(t, err)
			all.Write(text)
		}
	}
	all.Write(s.Get(t, h.Token, "aliases").Body)
	return all.String()
}

func TestTenants_CannotReachEachOthersKeysByAnyRoute(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		ours, theirs := tenants(t, s)
		before := snapshot(t, s, theirs)
		for _, op := range kmstest.Operations(t) {
			if !strings.Contains(op.Path, "{") || op.StepUp {
				continue // the other tests have those that name nothing, and those that a token is refused
			}
			for _, foreign := range []kmstest.Holding{theirs, theirs.ByName(), theirs.UpperCase(), with(theirs, ours), nobody(theirs), nobody(theirs).ByName()} {
				for _, ask := range kmstest.Asks()[op.ID](foreign) {
					got := s.Call(t, ours.Token, op.Method, ask.Path, ask.Body)
					showsNothingOf(t, got, theirs, op.ID)
					got.Refused(t, http.StatusNotFound, "not_found", op.ID)
					absent := s.Call(t, ours.Token, op.Method, kmstest.Asks()[op.ID](nobody(theirs))[0].Path, ask.Body)
					assert.Equal(t, absent.Essence(t), got.Essence(t), "%s: what is another's looks like what does not exist", op.ID)
				}
			}
		}
		assert.Equal(t, before, snapshot(t, s, theirs), "nothing of theirs has changed")
	})
}

// What stands inside a request that is otherwise the caller's own is answered like something that does not exist.
func TestTenants_CannotUseWhatOthersMade(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		ours, theirs := tenants(t, s)
		for _, op := range kmstest.Operations(t) {
			foreign, absent := kmstest.Asks()[op.ID](with(ours, theirs)), kmstest.Asks()[op.ID](with(ours, nobody(theirs)))
			own := kmstest.Asks()[op.ID](ours)
			for i := range foreign {
				if kmstest.AsText(t, own[i]) == kmstest.AsText(t, foreign[i]) || op.ID == "createElasticKey" || op.ID == "createAlias" {
					continue // nothing in this request comes from anywhere else
				}
				got := s.Call(t, ours.Token, op.Method, foreign[i].Path, foreign[i].Body)
				showsNothingOf(t, got, theirs, op.ID)
				other := s.Call(t, ours.Token, op.Method, absent[i].Path, absent[i].Body)
				if op.Batch {
					assert.Equal(t, itemEssences(t, other), itemEssences(t, got), "%s: each item has its own answer", op.ID)
					continue
				}
				assert.Equal(t, other.Essence(t), got.Essence(t), op.ID)
				switch op.ID {
				case "decrypt", "reencrypt", "unwrap":
					got.Refused(t, http.StatusBadRequest, "decryption_failed", op.ID)
				case "decapsulate":
					assert.Equal(t, http.StatusOK, got.Status, "another's ciphertext gives a secret that nobody has: %s", got.Body)
				case "verify", "verifyMac":
					assert.Equal(t, false, got.Object(t)["valid"], "%s", got.Body)
				case "listElasticKeys", "listMaterialKeys", "listImportJobs":
					got.Refused(t, http.StatusBadRequest, "invalid_cursor", op.ID)
				default:
					got.Refused(t, http.StatusNotFound, "not_found", op.ID)
				}
			}
		}
	})
}

// itemEssences are the results of a batch without what differs from one request to the next.
func itemEssences(t testing.TB, a kmstest.Answer) []map[string]any {
	t.Helper()
	require.Equal(t, http.StatusOK, a.Status, "%s", a.Body)
	results := a.Results(t)
	for _, result := range results {
		if document, refused := result["problem"].(map[string]any); refused {
			delete(document, "request_id")
		}
	}
	return results
}

func TestTenants_DoNotShowInEachOthersLists(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		ours, theirs := tenants(t, s)
		for _, path := range []string{"self", "elastic-keys", "elastic-keys?limit=1", "elastic-keys?limit=1000", "elastic-keys?status=active"} {
			showsNothingOf(t, s.Get(t, ours.Token, path), theirs, path)
		}
		assert.Len(t, s.Get(t, ours.Token, "elastic-keys").Items(t), 6)
		for _, name := range []string{theirs.SecretName, "nobodys-secret"} {
			assert.JSONEq(t, `{"items":[]}`, string(s.Get(t, ours.Token, kmstest.Query("elastic-keys", "name", name)).Body))
		}
		assert.Equal(t, "stranger", s.Get(t, ours.Token, "self").Member(t, "tenant"))
	})
}

func TestTenants_HaveNamesAndIdempotencyKeysOfTheirOwn(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		ours, theirs := tenants(t, s)
		ask := map[string]any{"name": "payroll", "algorithm": "A256GCM/A256KW"}
		first := s.Post(t, theirs.Token, "elastic-keys", ask, "Idempotency-Key", "once")
		second := s.Post(t, ours.Token, "elastic-keys", ask, "Idempotency-Key", "once")
		assert.Empty(t, second.Header.Get("Idempotency-Replayed"))
		assert.NotEqual(t, first.Member(t, "id"), second.Member(t, "id"))
		other := s.Post(t, ours.Token, "elastic-keys/payroll/rotate", nil, "Idempotency-Key", "once")
		assert.Empty(t, other.Header.Get("Idempotency-Replayed"))

		// The same name is another key.
		sealed := s.Post(t, theirs.Token, "elastic-keys/payroll/encrypt", map[string]any{"plaintext": "aGVsbG8"}).Member(t, "ciphertext")
		s.Call(t, ours.Token, http.MethodPost, "elastic-keys/payroll/decrypt", map[string]any{"ciphertext": sealed}).
			Refused(t, http.StatusBadRequest, "decryption_failed", "the other payroll")
		assert.EqualValues(t, 1, s.Get(t, theirs.Token, "elastic-keys/payroll").Object(t)["version_count"], "their key did not rotate")
	})
}

func TestTenants_AreNotChosenByTheRequest(t *testing.T) {
	t.Parallel()
	cfg, files := kmstest.Prepare(t, "sqlite")
	s := kmstest.Run(t, cfg, files)
	ours, theirs := tenants(t, s)
	moved := kmstest.Retenant(ours.Token, "stranger", "default")
	s.Call(t, moved, http.MethodGet, "self", nil).Refused(t, http.StatusUnauthorized, "unauthenticated", "a token with another tenant in its text")
	s.Call(t, kmstest.Retenant(moved, "our-token", "their-token"), http.MethodGet, "self", nil).
		Refused(t, http.StatusUnauthorized, "unauthenticated", "a token with another tenant and id in its text")
	for _, header := range []string{"X-Tenant", "X-Tenant-Id", "Tenant", "X-Forwarded-User", "X-Original-Url", "Forwarded", "X-Http-Method-Override"} {
		got := s.Call(t, ours.Token, http.MethodGet, "self", nil, header, theirs.Tenant)
		assert.Equal(t, "stranger", got.Member(t, "tenant"), header)
	}
	s.Call(t, ours.Token, http.MethodGet, kmstest.Query("self", "tenant", theirs.Tenant), nil).
		Refused(t, http.StatusBadRequest, "validation_failed", "a tenant in the query")
	for _, prefix := range []string{"/t/default/service/api/v1/", "/service/t/default/api/v1/", "/service/api/v1/t/default/"} {
		s.Call(t, ours.Token, http.MethodGet, prefix+"self", nil).Refused(t, http.StatusNotFound, "not_found", prefix)
	}
}

func TestBrowser_AnswersNothingBut401And403(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		h := kmstest.NewHolding(t, s, "default", s.Operator(t))
		seen := map[string]string{}
		check := func(got kmstest.Answer, status int, code, what string) {
			t.Helper()
			got.Refused(t, status, code, what)
			if first, ok := seen[code]; ok {
				assert.Equal(t, first, got.Essence(t), "%s: every answer is alike", what)
			}
			seen[code] = got.Essence(t)
			assert.Contains(t, got.Header.Get("Content-Security-Policy"), "default-src 'none'", what)
		}
		for _, op := range kmstest.Operations(t) {
			for _, h := range []kmstest.Holding{h, h.ByName(), nobody(h)} {
				for _, ask := range kmstest.Asks()[op.ID](h) {
					path := "/browser/api/v1/" + ask.Path
					check(s.Call(t, s.Operator(t), op.Method, path, ask.Body), http.StatusForbidden, "wrong_client_type", op.ID)
					check(s.Call(t, "", op.Method, path, ask.Body), http.StatusUnauthorized, "session_required", op.ID)
					check(s.Call(t, "", op.Method, path, ask.Body, "Cookie", "__Host-cu-kms-default=x"), http.StatusUnauthorized, "session_required", op.ID)
				}
			}
		}
		for _, path := range []string{"/browser/api/v1", "/browser/api/v1/nothing", "/browser/../service/api/v1/self"} {
			check(s.Call(t, "", http.MethodGet, path, nil), http.StatusUnauthorized, "session_required", path)
			check(s.Call(t, s.Operator(t), http.MethodGet, path, nil), http.StatusForbidden, "wrong_client_type", path)
		}
		s.Call(t, "", http.MethodGet, "self", nil, "Cookie", "__Host-cu-kms-default=x").
			Refused(t, http.StatusForbidden, "wrong_client_type", "a session on /service")
	})
}

func TestStrangers_LearnNothing(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		h := kmstest.NewHolding(t, s, "default", s.Operator(t))
		for name, token := range map[string]string{"none": "", "malformed": "cu_at_default", "not ours": "Zm9v", "of nobody": kmstest.Retenant(h.Token, "operator", "nobody")} {
			first := ""
			for _, op := range kmstest.Operations(t) {
				for _, h := range []kmstest.Holding{h, nobody(h)} {
					for _, ask := range kmstest.Asks()[op.ID](h) {
						got := s.Call(t, token, op.Method, ask.Path, ask.Body)
						got.Refused(t, http.StatusUnauthorized, "unauthenticated", name+" "+op.ID)
						if first == "" {
							first = got.Essence(t)
						}
						assert.Equal(t, first, got.Essence(t), name+" "+op.ID)
					}
				}
			}
			for _, path := range []string{"nothing", "/service/api/v1", "/service", "elastic-keys/x/y/z"} {
				assert.Equal(t, first, s.Call(t, token, http.MethodGet, path, nil).Essence(t), name+" "+path)
			}
		}
	})
}
