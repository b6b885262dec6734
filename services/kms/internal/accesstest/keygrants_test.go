package accesstest_test

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// lent is a service on two replicas with a key that somebody may use by grants alone.
type lent struct {
	kmstest.Pair

	id, token string // of an API token without scopes
}

func eachLent(t *testing.T, test func(t *testing.T, l lent)) {
	t.Helper()
	kmstest.EachAdministered(t, func(t *testing.T, s, other *kmstest.Service) {
		l := lent{Pair: kmstest.Pair{Root: s, Other: other, Key: s.Made(t, "lent", nil), Serial: &atomic.Int32{}}}
		l.id, l.token = l.Pair.Token(t)
		test(t, l)
	})
}

// grant makes a grant on the key.
func (l lent) grant(t *testing.T, ask map[string]any, more ...map[string]any) kmstest.Answer {
	t.Helper()
	for _, members := range more {
		maps.Copy(ask, members)
	}
	return l.Root.Call(t, "", http.MethodPost, "elastic-keys/"+l.Key+"/grants", ask)
}

// use asks a replica for something with the key.
func (l lent) use(t *testing.T, on *kmstest.Service, token, verb string, body map[string]any) kmstest.Answer {
	t.Helper()
	plain := *on
	return plain.Call(t, token, http.MethodPost, "elastic-keys/"+l.Key+"/"+verb, body)
}

func TestKeyGrants_LetTheGranteeDoWhatTheyAreOfAndNothingElse(t *testing.T) {
	t.Parallel()
	eachLent(t, func(t *testing.T, l lent) {
		text := map[string]any{"plaintext": "aGVsbG8"}
		l.use(t, l.Root, l.token, "encrypt", text).Refused(t, http.StatusForbidden, "insufficient_scope", "before")
		made := l.grant(t, kmstest.KeyGrant("api_token", l.id, "encrypt", "read")).Done(t, http.StatusCreated)
		for _, s := range []*kmstest.Service{l.Root, l.Other} {
			kmstest.Becomes(t, http.StatusOK, "granted", func() kmstest.Answer { return l.use(t, s, l.token, "encrypt", text) })
		}
		sealed := l.use(t, l.Root, l.token, "encrypt", text).Done(t, http.StatusOK).Member(t, "ciphertext")
		assert.Equal(t, http.StatusOK, l.Other.Call(t, l.token, http.MethodGet, "elastic-keys/"+l.Key, nil).Status)
		for verb, body := range map[string]map[string]any{
			"decrypt": {"ciphertext": sealed}, "reencrypt": {"ciphertext": sealed}, "wrap": {"key": "aGVsbG8"}, "rotate": nil, "disable": nil, "export": {"recipient": map[string]any{}},
		} {
			got := l.use(t, l.Root, l.token, verb, body)
			assert.Contains(t, []int{http.StatusForbidden, http.StatusUnauthorized, http.StatusBadRequest}, got.Status, "%s: %s", verb, got.Body)
			assert.NotEmpty(t, got.Member(t, "code"), verb)
		}
		other := l.Root.Made(t, "another", nil)
		l.Root.Call(t, l.token, http.MethodPost, "elastic-keys/"+other+"/encrypt", text).Refused(t, http.StatusForbidden, "insufficient_scope", "another key")
		_, stranger := l.Pair.Token(t)
		l.use(t, l.Root, stranger, "encrypt", text).Refused(t, http.StatusForbidden, "insufficient_scope", "another caller")

		// It stands in the list and is read as it was made.
		got := l.Root.Call(t, "", http.MethodGet, "elastic-keys/lent/grants/"+made.Member(t, "id"), nil).Done(t, http.StatusOK)
		assert.JSONEq(t, string(made.Body), string(got.Body))
		assert.Equal(t, []any{"encrypt", "read"}, got.Object(t)["operations"])
		l.Root.Call(t, "", http.MethodDelete, "elastic-keys/lent/grants/"+made.Member(t, "id"), nil).Done(t, http.StatusNoContent)
		for _, s := range []*kmstest.Service{l.Root, l.Other} {
			kmstest.Becomes(t, http.StatusForbidden, "revoked", func() kmstest.Answer { return l.use(t, s, l.token, "encrypt", text) })
		}
		l.Root.Call(t, "", http.MethodDelete, "elastic-keys/lent/grants/"+made.Member(t, "id"), nil).Refused(t, http.StatusNotFound, "not_found", "twice")
		l.Root.Hears(t, "grant.create", "grant.revoke")
	})
}

func TestKeyGrants_ConstraintsAreAboutTheContextOfEveryOperationThatHasOne(t *testing.T) {
	t.Parallel()
	eachLent(t, func(t *testing.T, l lent) {
		operations := []string{"encrypt", "decrypt", "reencrypt", "generate-data-key", "wrap", "unwrap", "generate"}
		in := func(pairs ...string) map[string]string {
			c := map[string]string{}
			for i := 0; i+1 < len(pairs); i += 2 {
				c[pairs[i]] = pairs[i+1]
			}
			return c
		}
		good, more, wrong := in("tenant", "7"), in("tenant", "7", "row", "1"), in("tenant", "8", "row", "1")
		sealedIn := func(c map[string]string) (ciphertext, wrapped string) {
			if c == nil {
				c = map[string]string{}
			}
			ciphertext = l.use(t, l.Root, "", "encrypt", map[string]any{"plaintext": "aGVsbG8", "context": c}).Done(t, http.StatusOK).Member(t, "ciphertext")
			return ciphertext, l.use(t, l.Root, "", "wrap", map[string]any{"key": "aGVsbG8", "context": c}).Done(t, http.StatusOK).Member(t, "wrapped")
		}
		ask := func(verb string, c map[string]string) map[string]any {
			ciphertext, wrapped := sealedIn(c)
			body := map[string]map[string]any{
				"encrypt": {"plaintext": "aGVsbG8"}, "decrypt": {"ciphertext": ciphertext}, "reencrypt": {"ciphertext": ciphertext}, "generate-data-key": {},
				"wrap": {"key": "aGVsbG8"}, "unwrap": {"wrapped": wrapped}, "generate": {"algorithm": "ES256"},
			}[verb]
			if c != nil {
				body["context"] = c
			}
			return body
		}
		for _, constraint := range []struct {
			of      map[string]any
			allowed []map[string]string
			refused []map[string]string
		}{
			{map[string]any{"context_equals": good}, []map[string]string{good}, []map[string]string{nil, more, wrong}},
			{map[string]any{"context_includes": good}, []map[string]string{good, more}, []map[string]string{nil, wrong}},
		} {
			id, token := l.Pair.Token(t)
			l.grant(t, kmstest.KeyGrant("api_token", id, operations...), map[string]any{"constraints": constraint.of}).Done(t, http.StatusCreated)
			kmstest.Becomes(t, http.StatusOK, "granted", func() kmstest.Answer { return l.use(t, l.Root, token, "encrypt", ask("encrypt", good)) })
			for _, verb := range operations {
				for _, c := range constraint.allowed {
					l.use(t, l.Root, token, verb, ask(verb, c)).Done(t, http.StatusOK)
				}
				for _, c := range constraint.refused {
					body := ask(verb, c)
					l.use(t, l.Root, token, verb, body).Refused(t, http.StatusForbidden, "policy_refused", fmt.Sprint(verb, c, constraint.of))
					results := l.use(t, l.Root, token, verb+"-batch", map[string]any{"items": []any{ask(verb, good), body, ask(verb, good)}}).Done(t, http.StatusOK).Results(t)
					for i, status := range []int{200, 403, 200} {
						assert.Equal(t, fmt.Sprint(status), fmt.Sprint(results[i]["status"]), "%s item %d", verb, i)
					}
				}
			}
			// What it is encrypted to anew is within the terms too.
			again := ask("reencrypt", good)
			again["new_context"] = wrong
			l.use(t, l.Root, token, "reencrypt", again).Refused(t, http.StatusForbidden, "policy_refused", "to another context")
			// So does a body of octets.
			request := l.Root.Request(t, token, http.MethodPost, "elastic-keys/"+l.Key+"/encrypt", strings.NewReader("hello"), "Content-Type", "application/octet-stream")
			l.Root.Send(t, request).Refused(t, http.StatusForbidden, "policy_refused", "octets without a context")
		}
	})
}

func TestKeyGrants_AreRefusedWhereTheyMeanNothing(t *testing.T) {
	t.Parallel()
	eachLent(t, func(t *testing.T, l lent) {
		signer := l.Root.Ask(t, http.MethodPost, "elastic-keys", map[string]any{"name": "signer", "algorithm": "ES256"}).Done(t, http.StatusCreated).Member(t, "id")
		c := map[string]string{"a": "b"}
		for what, ask := range map[string]map[string]any{
			"an operation of another use": kmstest.KeyGrant("api_token", l.id, "sign"),
			"an operation that manages":   kmstest.KeyGrant("api_token", l.id, "destroy"),
			"granting":                    kmstest.KeyGrant("api_token", l.id, "grant"),
			"no operation there is":       kmstest.KeyGrant("api_token", l.id, "anything"),
			"one twice":                   kmstest.KeyGrant("api_token", l.id, "encrypt", "encrypt"),
			"none":                        kmstest.KeyGrant("api_token", l.id),
			"the past":                    kmstest.Merge(kmstest.KeyGrant("api_token", l.id, "encrypt"), map[string]any{"expires_at": "2020-01-01T00:00:00Z"}),
			"constraints on reading":      kmstest.Merge(kmstest.KeyGrant("api_token", l.id, "read"), map[string]any{"constraints": map[string]any{"context_equals": c}}),
			"both constraints":            kmstest.Merge(kmstest.KeyGrant("api_token", l.id, "encrypt"), map[string]any{"constraints": map[string]any{"context_equals": c, "context_includes": c}}),
			"no constraint":               kmstest.Merge(kmstest.KeyGrant("api_token", l.id, "encrypt"), map[string]any{"constraints": map[string]any{}}),
			"an empty constraint":         kmstest.Merge(kmstest.KeyGrant("api_token", l.id, "encrypt"), map[string]any{"constraints": map[string]any{"context_includes": map[string]any{}}}),
			"a role that retires":         kmstest.Merge(kmstest.KeyGrant("api_token", l.id, "encrypt"), map[string]any{"retiring_principal": map[string]any{"kind": "role", "id": "x"}}),
		} {
			l.grant(t, ask).Refused(t, http.StatusBadRequest, "validation_failed", what)
		}
		l.Root.Call(t, "", http.MethodPost, "elastic-keys/"+signer+"/grants", kmstest.Merge(kmstest.KeyGrant("api_token", l.id, "sign"), map[string]any{"constraints": map[string]any{"context_equals": c}})).
			Refused(t, http.StatusBadRequest, "validation_failed", "signatures have no context")
		for _, kind := range []string{"user", "client", "api_token", "role"} {
			l.grant(t, kmstest.KeyGrant(kind, uuid.Must(uuid.NewV7()).String(), "encrypt")).Refused(t, http.StatusNotFound, "not_found", "nobody")
		}
		assert.Empty(t, l.Root.Call(t, "", http.MethodGet, "elastic-keys/"+l.Key+"/grants", nil).Items(t))
		l.Root.Call(t, "", http.MethodPost, "elastic-keys/"+l.Key+"/schedule-deletion", nil).Done(t, http.StatusOK)
		l.grant(t, kmstest.KeyGrant("api_token", l.id, "encrypt")).Refused(t, http.StatusConflict, "invalid_state", "to be deleted")
	})
}

// Nobody grants what he may not do himself, or has only by a grant.
func TestKeyGrants_GiveNoMoreThanTheirMakerMay(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg, files := kmstest.Prepare(t, engine)
			a := kmstest.Administered(t, &cfg)
			kmstest.AddClient(t, &cfg, "default", "root.example", kmstest.Root)
			kmstest.AddClient(t, &cfg, "default", "manager.example", "'kms:grant', 'kms:encrypt', 'kms:read'")
			kmstest.AddClient(t, &cfg, "default", "user.example", "'kms:encrypt', 'kms:decrypt', 'kms:read'")
			s := kmstest.Run(t, cfg, files)
			owner, manager, user := s.As(t, a.Issue(t, "root.example")), s.As(t, a.Issue(t, "manager.example")), s.As(t, a.Issue(t, "user.example"))
			p := kmstest.Pair{Root: owner, Other: s, Serial: &atomic.Int32{}}
			id, token := p.Token(t)
			key := owner.Made(t, "payroll", nil)
			grants := "elastic-keys/" + key + "/grants"
			user.Call(t, "", http.MethodPost, grants, kmstest.KeyGrant("api_token", id, "encrypt")).Refused(t, http.StatusForbidden, "insufficient_scope", "without kms:grant")
			manager.Call(t, "", http.MethodPost, grants, kmstest.KeyGrant("api_token", id, "encrypt", "decrypt")).Refused(t, http.StatusForbidden, "insufficient_scope", "decrypt, which he may not")
			assert.Empty(t, owner.Call(t, "", http.MethodGet, grants, nil).Items(t))
			made := manager.Call(t, "", http.MethodPost, grants, kmstest.KeyGrant("api_token", id, "encrypt")).Done(t, http.StatusCreated)
			assert.Equal(t, map[string]any{"kind": "client", "subject": "manager.example"}, made.Object(t)["created_by"])
			kmstest.Becomes(t, http.StatusOK, "granted", func() kmstest.Answer {
				return s.Call(t, token, http.MethodPost, "elastic-keys/"+key+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
			})
			status2(t, s.Call(t, token, http.MethodPost, grants, kmstest.KeyGrant("api_token", id, "encrypt")), http.StatusForbidden, http.StatusUnauthorized)

			// A key whose policy does not admit the maker is none that he lets others use.
			closed := owner.Made(t, "closed", map[string]any{"policy": map[string]any{"clients": []string{"user.example", id}}})
			manager.Call(t, "", http.MethodPost, "elastic-keys/"+closed+"/grants", kmstest.KeyGrant("api_token", id, "encrypt")).
				Refused(t, http.StatusForbidden, "policy_refused", "he may not use it himself")
			narrow := owner.Made(t, "narrow", map[string]any{"policy": map[string]any{"operations": []string{"decrypt"}}})
			owner.Call(t, "", http.MethodPost, "elastic-keys/"+narrow+"/grants", kmstest.KeyGrant("api_token", id, "encrypt")).
				Refused(t, http.StatusForbidden, "policy_refused", "nothing the key is for")
			// Whoever may grant on a key ends what others granted, whether he has their scopes or not.
			foreign := owner.Call(t, "", http.MethodPost, grants, kmstest.KeyGrant("api_token", id, "decrypt")).Done(t, http.StatusCreated).Member(t, "id")
			user.Call(t, "", http.MethodDelete, grants+"/"+foreign, nil).Refused(t, http.StatusForbidden, "insufficient_scope", "without kms:grant")
			manager.Call(t, "", http.MethodDelete, grants+"/"+foreign, nil).Done(t, http.StatusNoContent)
			s.Call(t, s.Operator(t), http.MethodPost, grants, kmstest.KeyGrant("api_token", id, "encrypt")).Refused(t, http.StatusUnauthorized, "step_up_required", "a bearer token")
		})
	}
}

// status2 checks for one of two statuses.
func status2(t testing.TB, a kmstest.Answer, statuses ...int) {
	t.Helper()
	require.Contains(t, statuses, a.Status, "%s", a.Body)
}

func TestKeyGrants_AreGivenUpByWhomTheyNameAndNobodyElse(t *testing.T) {
	t.Parallel()
	eachLent(t, func(t *testing.T, l lent) {
		_, strangers := l.Pair.Token(t, "kms:read", "kms:encrypt")
		friend, friends := l.Pair.Token(t)
		retire := func(token, grant string) kmstest.Answer {
			return l.Root.Call(t, token, http.MethodPost, "elastic-keys/lent/grants/"+grant+"/retire", nil)
		}
		made := func(more map[string]any) string {
			return l.grant(t, kmstest.KeyGrant("api_token", l.id, "encrypt"), more).Done(t, http.StatusCreated).Member(t, "id")
		}
		text := map[string]any{"plaintext": "aGVsbG8"}
		plain, named := made(nil), made(map[string]any{"retiring_principal": map[string]any{"kind": "api_token", "id": friend}})
		for _, grant := range []string{plain, named, uuid.Must(uuid.NewV7()).String(), "x"} {
			retire(strangers, grant).Refused(t, http.StatusNotFound, "not_found", "a stranger")
		}
		retire(friends, plain).Refused(t, http.StatusNotFound, "not_found", "of another grant")
		retire(friends, named).Done(t, http.StatusNoContent)
		kmstest.Becomes(t, http.StatusOK, "granted", func() kmstest.Answer { return l.use(t, l.Root, l.token, "encrypt", text) })
		retire(l.token, plain).Done(t, http.StatusNoContent)
		retire(l.token, plain).Refused(t, http.StatusNotFound, "not_found", "twice")
		kmstest.Becomes(t, http.StatusForbidden, "retired", func() kmstest.Answer { return l.use(t, l.Root, l.token, "encrypt", text) })
		l.Root.Hears(t, "grant.retire")

		// A role's grant is everybody's who has the role; none of them gives it up for the others.
		role := l.Made(t, "roles", map[string]any{"name": "writers", "scopes": []string{}}).Member(t, "id")
		l.Made(t, "role-bindings", map[string]any{"role": "writers", "subject_kind": "api_token", "subject_id": l.id})
		shared := l.grant(t, kmstest.KeyGrant("role", "writers", "encrypt")).Done(t, http.StatusCreated)
		assert.Equal(t, map[string]any{"kind": "role", "id": role}, shared.Object(t)["grantee"])
		kmstest.Becomes(t, http.StatusOK, "granted", func() kmstest.Answer { return l.use(t, l.Root, l.token, "encrypt", text) })
		retire(l.token, shared.Member(t, "id")).Refused(t, http.StatusNotFound, "not_found", "a role's")
	})
}

// A grant ends at its time on every replica, and with its key; pages have each one once.
func TestKeyGrants_EndAndAreListed(t *testing.T) {
	t.Parallel()
	eachLent(t, func(t *testing.T, l lent) {
		text := map[string]any{"plaintext": "aGVsbG8"}
		l.grant(t, kmstest.KeyGrant("api_token", l.id, "encrypt"), map[string]any{"expires_at": time.Now().Add(2 * time.Second).UTC().Format(time.RFC3339Nano)}).Done(t, http.StatusCreated)
		kmstest.Becomes(t, http.StatusOK, "granted", func() kmstest.Answer { return l.use(t, l.Root, l.token, "encrypt", text) })
		for _, s := range []*kmstest.Service{l.Root, l.Other} {
			require.Eventually(t, func() bool { return l.use(t, s, l.token, "encrypt", text).Status == http.StatusForbidden }, 5*time.Second, 20*time.Millisecond)
		}
		want := map[string]bool{}
		for range 5 {
			id, _ := l.Pair.Token(t)
			want[l.grant(t, kmstest.KeyGrant("api_token", id, "encrypt")).Done(t, http.StatusCreated).Member(t, "id")] = true
		}
		l.grant(t, kmstest.KeyGrant("api_token", l.id, "encrypt")).Done(t, http.StatusCreated) // takes the place of the expired one
		path, seen := "elastic-keys/lent/grants", 0
		for next := path + "?limit=2"; ; {
			page := l.Root.Call(t, "", http.MethodGet, next, nil).Done(t, http.StatusOK)
			for _, item := range page.Items(t) {
				seen++
				delete(want, item["id"].(string))
			}
			cursor := page.Member(t, "next_cursor")
			if cursor == "" {
				break
			}
			next = kmstest.Query(path, "limit", "2", "cursor", cursor)
		}
		assert.Empty(t, want)
		assert.Equal(t, 6, seen)
	})
}
