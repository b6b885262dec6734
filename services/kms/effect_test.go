package kms_test

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// effect is something that works and a change that ends it.
type effect struct {
	// use is what somebody does: it answers 200, and when the change is in force with the status after.
	use   func() answer
	after int
	do    func()
}

// pair is an administrator on one replica and the other replica.
type pair struct {
	root, other *service
	key, acme   string // an elastic key, and a token of tenant acme
	serial      *atomic.Int32
}

// measured is how often each change is made, to know the longest time until it is in force.
const measured = 3

// A change by the administration API on one replica is in force on the other within a second, on connections and in caches that know the state
// before. The time counts from the answer to the change.
func TestReplicas_ChangesOfRightsAreInForceEverywhere(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg, files := prepare(t, engine)
			certificate := administer(t, &cfg)
			first := run(t, cfg, files)
			first.tenant(t, "acme")
			acme := first.token(t, "acme", "reader", "kms:read")
			second := run(t, cfg, files)
			p := pair{root: first.as(t, certificate), other: second, key: first.create(t, first.operator(t), "shared", "A256GCM/A256KW"), acme: acme, serial: &atomic.Int32{}}
			for what, prepared := range map[string]func(*testing.T) effect{
				"a revoked session": p.revokedSession, "a disabled client": p.disabledClient, "a rotated secret": p.rotatedSecret,
				"a disabled token": p.disabledToken, "a deleted token": p.deletedToken, "a changed role": p.changedRole,
				"a deleted binding": p.deletedBinding, "a deleted grant": p.deletedGrant, "a suspended tenant": p.suspendedTenant,
			} {
				t.Run(strings.ReplaceAll(what, " ", "_"), func(t *testing.T) {
					var times []time.Duration
					for range measured {
						times = append(times, prepared(t).measure(t))
					}
					t.Logf("in force on the other replica after at most %s", slices.Max(times).Round(time.Millisecond))
				})
			}
		})
	}
}

// measure makes the change, and returns how long it went on to work.
func (e effect) measure(t *testing.T) time.Duration {
	t.Helper()
	require.Eventually(t, func() bool { return e.use().status == http.StatusOK }, 5*time.Second, 5*time.Millisecond, "what is made on one replica works on the other")
	e.do()
	began := time.Now()
	for {
		sent := time.Since(began)
		got := e.use()
		if got.status == e.after {
			return sent
		}
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
		require.Less(t, sent, takesEffect, "it still works")
	}
}

// made is the answer to the request for something new.
func (p pair) made(t *testing.T, path string, body any) answer {
	t.Helper()
	return p.root.ask(t, http.MethodPost, path, body).done(t, http.StatusCreated)
}

// token is a new API token with its text.
func (p pair) token(t *testing.T, scopes ...string) (id, text string) {
	t.Helper()
	got := p.made(t, "api-tokens", map[string]any{"name": "t", "scopes": append([]string{}, scopes...)})
	return got.member(t, "id"), got.member(t, "token")
}

// reads reads a key on the other replica.
func (p pair) reads(t *testing.T, token string) func() answer {
	t.Helper()
	return func() answer { return p.other.call(t, token, http.MethodGet, "elastic-keys/"+p.key, nil) }
}

func (p pair) patch(t *testing.T, path string, body any) {
	t.Helper()
	tag := p.root.ask(t, http.MethodGet, path, nil).done(t, http.StatusOK).header.Get("ETag")
	p.root.ask(t, http.MethodPatch, path, body, "If-Match", tag, "Content-Type", "application/merge-patch+json").done(t, http.StatusOK)
}

func (p pair) remove(t *testing.T, path string) {
	t.Helper()
	p.root.ask(t, http.MethodDelete, path, nil).done(t, http.StatusNoContent)
}
