package replicatest_test

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// effect is something that works and a change that ends it.
type effect struct {
	// use is what somebody does: it answers 200, and when the change is in force with the status after.
	use   func() kmstest.Answer
	after int
	do    func()
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
			cfg, files := kmstest.Prepare(t, engine)
			certificate := kmstest.Administer(t, &cfg)
			first := kmstest.Run(t, cfg, files)
			first.Tenant(t, "acme")
			acme := first.Token(t, "acme", "reader", "kms:read")
			second := kmstest.Run(t, cfg, files)
			p := kmstest.Pair{Root: first.As(t, certificate), Other: second, Key: first.Create(t, first.Operator(t), "shared", "A256GCM/A256KW"), Acme: acme, Serial: &atomic.Int32{}}
			for what, prepared := range map[string]func(*testing.T, kmstest.Pair) effect{
				"a revoked session": revokedSession, "a disabled client": disabledClient, "a rotated secret": rotatedSecret,
				"a disabled token": disabledToken, "a deleted token": deletedToken, "a changed role": changedRole,
				"a deleted binding": deletedBinding, "a deleted grant": deletedGrant, "a suspended tenant": suspendedTenant,
			} {
				t.Run(strings.ReplaceAll(what, " ", "_"), func(t *testing.T) {
					var times []time.Duration
					for range measured {
						times = append(times, prepared(t, p).measure(t))
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
	require.Eventually(t, func() bool { return e.use().Status == http.StatusOK }, 5*time.Second, 5*time.Millisecond, "what is made on one replica works on the other")
	e.do()
	began := time.Now()
	for {
		sent := time.Since(began)
		got := e.use()
		if got.Status == e.after {
			return sent
		}
		require.Equal(t, http.StatusOK, got.Status, "%s", got.Body)
		require.Less(t, sent, kmstest.TakesEffect, "it still works")
	}
}

// reads reads a key on the other replica.
func reads(t *testing.T, p kmstest.Pair, token string) func() kmstest.Answer {
	t.Helper()
	return func() kmstest.Answer { return p.Other.Call(t, token, http.MethodGet, "elastic-keys/"+p.Key, nil) }
}

func patch(t *testing.T, p kmstest.Pair, path string, body any) {
	t.Helper()
	tag := p.Root.Ask(t, http.MethodGet, path, nil).Done(t, http.StatusOK).Header.Get("ETag")
	p.Root.Ask(t, http.MethodPatch, path, body, "If-Match", tag, "Content-Type", "application/merge-patch+json").Done(t, http.StatusOK)
}

func remove(t *testing.T, p kmstest.Pair, path string) {
	t.Helper()
	p.Root.Ask(t, http.MethodDelete, path, nil).Done(t, http.StatusNoContent)
}
