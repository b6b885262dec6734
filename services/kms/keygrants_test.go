package kms_test

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
)

// keyGrant is what makes a grant of operations.
func keyGrant(kind, id string, operations ...string) map[string]any {
	return map[string]any{"grantee": map[string]any{"kind": kind, "id": id}, "operations": operations}
}

// lent is a service on two replicas with a key that somebody may use by grants alone.
type lent struct {
	pair

	id, token string // of an API token without scopes
}

func eachLent(t *testing.T, test func(t *testing.T, l lent)) {
	t.Helper()
	eachAdministered(t, func(t *testing.T, s, other *service) {
		l := lent{pair: pair{root: s, other: other, key: s.made(t, "lent", nil), serial: &atomic.Int32{}}}
		l.id, l.token = l.pair.token(t)
		test(t, l)
	})
}

// grant makes a grant on the key.
func (l lent) grant(t *testing.T, ask map[string]any, more ...map[string]any) answer {
	t.Helper()
	for _, members := range more {
		maps.Copy(ask, members)
	}
	return l.root.call(t, "", http.MethodPost, "elastic-keys/"+l.key+"/grants", ask)
}

// becomes waits until an answer has a status, as long as a change may take to be in force.
func becomes(t *testing.T, status int, why string, ask func() answer) {
	t.Helper()
	var got answer
	require.Eventually(t, func() bool {
		got = ask()
		return got.status == status
	}, time.Second, 5*time.Millisecond, why)
}

// use asks a replica for something with the key.
func (l lent) use(t *testing.T, on *service, token, verb string, body map[string]any) answer {
	t.Helper()
	plain := *on
	return plain.call(t, token, http.MethodPost, "elastic-keys/"+l.key+"/"+verb, body)
}

func TestKeyGrants_LetTheGranteeDoWhatTheyAreOfAndNothingElse(t *testing.T) {
	t.Parallel()
	eachLent(t, func(t *testing.T, l lent) {
		text := map[string]any{"plaintext": "aGVsbG8"}
		l.use(t, l.root, l.token, "encrypt", text).refused(t, http.StatusForbidden, "insufficient_scope", "before")
		made := l.grant(t, keyGrant("api_token", l.id, "encrypt", "read")).done(t, http.StatusCreated)
		for _, s := range []*service{l.root, l.other} {
			becomes(t, http.StatusOK, "granted", func() answer { return l.use(t, s, l.token, "encrypt", text) })
		}
		sealed := l.use(t, l.root, l.token, "encrypt", text).done(t, http.StatusOK).member(t, "ciphertext")
		assert.Equal(t, http.StatusOK, l.other.call(t, l.token, http.MethodGet, "elastic-keys/"+l.key, nil).status)
		for verb, body := range map[string]map[string]any{
			"decrypt": {"ciphertext": sealed}, "reencrypt": {"ciphertext": sealed}, "wrap": {"key": "aGVsbG8"}, "rotate": nil, "disable": nil, "export": {"recipient": map[string]any{}},
		} {
			got := l.use(t, l.root, l.token, verb, body)
			assert.Contains(t, []int{http.StatusForbidden, http.StatusUnauthorized, http.StatusBadRequest}, got.status, "%s: %s", verb, got.body)
			assert.NotEmpty(t, got.member(t, "code"), verb)
		}
		other := l.root.made(t, "another", nil)
		l.root.call(t, l.token, http.MethodPost, "elastic-keys/"+other+"/encrypt", text).refused(t, http.StatusForbidden, "insufficient_scope", "another key")
		_, stranger := l.pair.token(t)
		l.use(t, l.root, stranger, "encrypt", text).refused(t, http.StatusForbidden, "insufficient_scope", "another caller")

		// It stands in the list and is read as it was made.
		got := l.root.call(t, "", http.MethodGet, "elastic-keys/lent/grants/"+made.member(t, "id"), nil).done(t, http.StatusOK)
		assert.JSONEq(t, string(made.body), string(got.body))
		assert.Equal(t, []any{"encrypt", "read"}, got.object(t)["operations"])
		l.root.call(t, "", http.MethodDelete, "elastic-keys/lent/grants/"+made.member(t, "id"), nil).done(t, http.StatusNoContent)
		for _, s := range []*service{l.root, l.other} {
			becomes(t, http.StatusForbidden, "revoked", func() answer { return l.use(t, s, l.token, "encrypt", text) })
		}
		l.root.call(t, "", http.MethodDelete, "elastic-keys/lent/grants/"+made.member(t, "id"), nil).refused(t, http.StatusNotFound, "not_found", "twice")
		l.root.hears(t, "grant.create", "grant.revoke")
	})
}

// hears waits until the audit trail has events of these actions about a key.
func (s *service) hears(t *testing.T, actions ...string) {
	t.Helper()
	for _, action := range actions {
		require.Eventually(t, func() bool {
			got := s.ask(t, http.MethodGet, "audit/events?limit=1000&object_kind=elastic-key&action="+action, nil)
			return got.status == http.StatusOK && len(got.items(t)) > 0
		}, 10*time.Second, 50*time.Millisecond, action)
	}
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
			ciphertext = l.use(t, l.root, "", "encrypt", map[string]any{"plaintext": "aGVsbG8", "context": c}).done(t, http.StatusOK).member(t, "ciphertext")
			return ciphertext, l.use(t, l.root, "", "wrap", map[string]any{"key": "aGVsbG8", "context": c}).done(t, http.StatusOK).member(t, "wrapped")
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
			id, token := l.pair.token(t)
			l.grant(t, keyGrant("api_token", id, operations...), map[string]any{"constraints": constraint.of}).done(t, http.StatusCreated)
			becomes(t, http.StatusOK, "granted", func() answer { return l.use(t, l.root, token, "encrypt", ask("encrypt", good)) })
			for _, verb := range operations {
				for _, c := range constraint.allowed {
					l.use(t, l.root, token, verb, ask(verb, c)).done(t, http.StatusOK)
				}
				for _, c := range constraint.refused {
					body := ask(verb, c)
					l.use(t, l.root, token, verb, body).refused(t, http.StatusForbidden, "policy_refused", fmt.Sprint(verb, c, constraint.of))
					results := l.use(t, l.root, token, verb+"-batch", map[string]any{"items": []any{ask(verb, good), body, ask(verb, good)}}).done(t, http.StatusOK).results(t)
					for i, status := range []int{200, 403, 200} {
						assert.Equal(t, fmt.Sprint(status), fmt.Sprint(results[i]["status"]), "%s item %d", verb, i)
					}
				}
			}
			// What it is encrypted to anew is within the terms too.
			again := ask("reencrypt", good)
			again["new_context"] = wrong
			l.use(t, l.root, token, "reencrypt", again).refused(t, http.StatusForbidden, "policy_refused", "to another context")
			// So does a body of octets.
			request := l.root.request(t, token, http.MethodPost, "elastic-keys/"+l.key+"/encrypt", strings.NewReader("hello"), "Content-Type", "application/octet-stream")
			l.root.send(t, request).refused(t, http.StatusForbidden, "policy_refused", "octets without a context")
		}
	})
}

func TestKeyGrants_AreRefusedWhereTheyMeanNothing(t *testing.T) {
	t.Parallel()
	eachLent(t, func(t *testing.T, l lent) {
		signer := l.root.ask(t, http.MethodPost, "elastic-keys", map[string]any{"name": "signer", "algorithm": "ES256"}).done(t, http.StatusCreated).member(t, "id")
		c := map[string]string{"a": "b"}
		for what, ask := range map[string]map[string]any{
			"an operation of another use": keyGrant("api_token", l.id, "sign"),
			"an operation that manages":   keyGrant("api_token", l.id, "destroy"),
			"granting":                    keyGrant("api_token", l.id, "grant"),
			"no operation there is":       keyGrant("api_token", l.id, "anything"),
			"one twice":                   keyGrant("api_token", l.id, "encrypt", "encrypt"),
			"none":                        keyGrant("api_token", l.id),
			"the past":                    merge(keyGrant("api_token", l.id, "encrypt"), map[string]any{"expires_at": "2020-01-01T00:00:00Z"}),
			"constraints on reading":      merge(keyGrant("api_token", l.id, "read"), map[string]any{"constraints": map[string]any{"context_equals": c}}),
			"both constraints":            merge(keyGrant("api_token", l.id, "encrypt"), map[string]any{"constraints": map[string]any{"context_equals": c, "context_includes": c}}),
			"no constraint":               merge(keyGrant("api_token", l.id, "encrypt"), map[string]any{"constraints": map[string]any{}}),
			"an empty constraint":         merge(keyGrant("api_token", l.id, "encrypt"), map[string]any{"constraints": map[string]any{"context_includes": map[string]any{}}}),
			"a role that retires":         merge(keyGrant("api_token", l.id, "encrypt"), map[string]any{"retiring_principal": map[string]any{"kind": "role", "id": "x"}}),
		} {
			l.grant(t, ask).refused(t, http.StatusBadRequest, "validation_failed", what)
		}
		l.root.call(t, "", http.MethodPost, "elastic-keys/"+signer+"/grants", merge(keyGrant("api_token", l.id, "sign"), map[string]any{"constraints": map[string]any{"context_equals": c}})).
			refused(t, http.StatusBadRequest, "validation_failed", "signatures have no context")
		for _, kind := range []string{"user", "client", "api_token", "role"} {
			l.grant(t, keyGrant(kind, uuid.Must(uuid.NewV7()).String(), "encrypt")).refused(t, http.StatusNotFound, "not_found", "nobody")
		}
		assert.Empty(t, l.root.call(t, "", http.MethodGet, "elastic-keys/"+l.key+"/grants", nil).items(t))
		l.root.call(t, "", http.MethodPost, "elastic-keys/"+l.key+"/schedule-deletion", nil).done(t, http.StatusOK)
		l.grant(t, keyGrant("api_token", l.id, "encrypt")).refused(t, http.StatusConflict, "invalid_state", "to be deleted")
	})
}

// Nobody grants what he may not do himself, or has only by a grant.
func TestKeyGrants_GiveNoMoreThanTheirMakerMay(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg, files := prepare(t, engine)
			a := administered(t, &cfg)
			addClient(t, &cfg, "default", "root.example", root)
			addClient(t, &cfg, "default", "manager.example", "'kms:grant', 'kms:encrypt', 'kms:read'")
			addClient(t, &cfg, "default", "user.example", "'kms:encrypt', 'kms:decrypt', 'kms:read'")
			s := run(t, cfg, files)
			owner, manager, user := s.as(t, a.issue(t, "root.example")), s.as(t, a.issue(t, "manager.example")), s.as(t, a.issue(t, "user.example"))
			p := pair{root: owner, other: s, serial: &atomic.Int32{}}
			id, token := p.token(t)
			key := owner.made(t, "payroll", nil)
			grants := "elastic-keys/" + key + "/grants"
			user.call(t, "", http.MethodPost, grants, keyGrant("api_token", id, "encrypt")).refused(t, http.StatusForbidden, "insufficient_scope", "without kms:grant")
			manager.call(t, "", http.MethodPost, grants, keyGrant("api_token", id, "encrypt", "decrypt")).refused(t, http.StatusForbidden, "insufficient_scope", "decrypt, which he may not")
			assert.Empty(t, owner.call(t, "", http.MethodGet, grants, nil).items(t))
			made := manager.call(t, "", http.MethodPost, grants, keyGrant("api_token", id, "encrypt")).done(t, http.StatusCreated)
			assert.Equal(t, map[string]any{"kind": "client", "subject": "manager.example"}, made.object(t)["created_by"])
			becomes(t, http.StatusOK, "granted", func() answer {
				return s.call(t, token, http.MethodPost, "elastic-keys/"+key+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
			})
			s.call(t, token, http.MethodPost, grants, keyGrant("api_token", id, "encrypt")).status2(t, http.StatusForbidden, http.StatusUnauthorized)

			// A key whose policy does not admit the maker is none that he lets others use.
			closed := owner.made(t, "closed", map[string]any{"policy": map[string]any{"clients": []string{"user.example", id}}})
			manager.call(t, "", http.MethodPost, "elastic-keys/"+closed+"/grants", keyGrant("api_token", id, "encrypt")).
				refused(t, http.StatusForbidden, "policy_refused", "he may not use it himself")
			narrow := owner.made(t, "narrow", map[string]any{"policy": map[string]any{"operations": []string{"decrypt"}}})
			owner.call(t, "", http.MethodPost, "elastic-keys/"+narrow+"/grants", keyGrant("api_token", id, "encrypt")).
				refused(t, http.StatusForbidden, "policy_refused", "nothing the key is for")
			// Whoever may grant on a key ends what others granted, whether he has their scopes or not.
			foreign := owner.call(t, "", http.MethodPost, grants, keyGrant("api_token", id, "decrypt")).done(t, http.StatusCreated).member(t, "id")
			user.call(t, "", http.MethodDelete, grants+"/"+foreign, nil).refused(t, http.StatusForbidden, "insufficient_scope", "without kms:grant")
			manager.call(t, "", http.MethodDelete, grants+"/"+foreign, nil).done(t, http.StatusNoContent)
			s.call(t, s.operator(t), http.MethodPost, grants, keyGrant("api_token", id, "encrypt")).refused(t, http.StatusUnauthorized, "step_up_required", "a bearer token")
		})
	}
}

// status2 checks for one of two statuses.
func (a answer) status2(t testing.TB, statuses ...int) {
	t.Helper()
	require.Contains(t, statuses, a.status, "%s", a.body)
}

func TestKeyGrants_AreGivenUpByWhomTheyNameAndNobodyElse(t *testing.T) {
	t.Parallel()
	eachLent(t, func(t *testing.T, l lent) {
		_, strangers := l.pair.token(t, "kms:read", "kms:encrypt")
		friend, friends := l.pair.token(t)
		retire := func(token, grant string) answer {
			return l.root.call(t, token, http.MethodPost, "elastic-keys/lent/grants/"+grant+"/retire", nil)
		}
		made := func(more map[string]any) string {
			return l.grant(t, keyGrant("api_token", l.id, "encrypt"), more).done(t, http.StatusCreated).member(t, "id")
		}
		text := map[string]any{"plaintext": "aGVsbG8"}
		plain, named := made(nil), made(map[string]any{"retiring_principal": map[string]any{"kind": "api_token", "id": friend}})
		for _, grant := range []string{plain, named, uuid.Must(uuid.NewV7()).String(), "x"} {
			retire(strangers, grant).refused(t, http.StatusNotFound, "not_found", "a stranger")
		}
		retire(friends, plain).refused(t, http.StatusNotFound, "not_found", "of another grant")
		retire(friends, named).done(t, http.StatusNoContent)
		becomes(t, http.StatusOK, "granted", func() answer { return l.use(t, l.root, l.token, "encrypt", text) })
		retire(l.token, plain).done(t, http.StatusNoContent)
		retire(l.token, plain).refused(t, http.StatusNotFound, "not_found", "twice")
		becomes(t, http.StatusForbidden, "retired", func() answer { return l.use(t, l.root, l.token, "encrypt", text) })
		l.root.hears(t, "grant.retire")

		// A role's grant is everybody's who has the role; none of them gives it up for the others.
		role := l.made(t, "roles", map[string]any{"name": "writers", "scopes": []string{}}).member(t, "id")
		l.made(t, "role-bindings", map[string]any{"role": "writers", "subject_kind": "api_token", "subject_id": l.id})
		shared := l.grant(t, keyGrant("role", "writers", "encrypt")).done(t, http.StatusCreated)
		assert.Equal(t, map[string]any{"kind": "role", "id": role}, shared.object(t)["grantee"])
		becomes(t, http.StatusOK, "granted", func() answer { return l.use(t, l.root, l.token, "encrypt", text) })
		retire(l.token, shared.member(t, "id")).refused(t, http.StatusNotFound, "not_found", "a role's")
	})
}

// A grant ends at its time on every replica, and with its key; pages have each one once.
func TestKeyGrants_EndAndAreListed(t *testing.T) {
	t.Parallel()
	eachLent(t, func(t *testing.T, l lent) {
		text := map[string]any{"plaintext": "aGVsbG8"}
		l.grant(t, keyGrant("api_token", l.id, "encrypt"), map[string]any{"expires_at": time.Now().Add(2 * time.Second).UTC().Format(time.RFC3339Nano)}).done(t, http.StatusCreated)
		becomes(t, http.StatusOK, "granted", func() answer { return l.use(t, l.root, l.token, "encrypt", text) })
		for _, s := range []*service{l.root, l.other} {
			require.Eventually(t, func() bool { return l.use(t, s, l.token, "encrypt", text).status == http.StatusForbidden }, 5*time.Second, 20*time.Millisecond)
		}
		want := map[string]bool{}
		for range 5 {
			id, _ := l.pair.token(t)
			want[l.grant(t, keyGrant("api_token", id, "encrypt")).done(t, http.StatusCreated).member(t, "id")] = true
		}
		l.grant(t, keyGrant("api_token", l.id, "encrypt")).done(t, http.StatusCreated) // takes the place of the expired one
		path, seen := "elastic-keys/lent/grants", 0
		for next := path + "?limit=2"; ; {
			page := l.root.call(t, "", http.MethodGet, next, nil).done(t, http.StatusOK)
			for _, item := range page.items(t) {
				seen++
				delete(want, item["id"].(string))
			}
			cursor := page.member(t, "next_cursor")
			if cursor == "" {
				break
			}
			next = query(path, "limit", "2", "cursor", cursor)
		}
		assert.Empty(t, want)
		assert.Equal(t, 6, seen)
	})
}
