//go:build e2e

package cryptoutil_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

const (
	// lifeRoundsVariable is how often the service is killed amid the life of keys on each engine.
	lifeRoundsVariable = "CRYPTOUTIL_E2E_LIFE_ROUNDS"
	defaultLifeRounds  = 4
	lifeWorkers        = 16
	lifeMoment         = 1500 * time.Millisecond // a round lasts for less
)

// life is what a client knows of its key.
type life struct {
	status   string
	primary  int64
	versions map[int64]string // status by number
}

func (l life) clone() life {
	l.versions = maps.Clone(l.versions)
	return l
}

// turn is a change that the client asks for, and what the key is then; nil where the state forbids it.
type turn struct {
	path  string
	body  any
	after func(life) *life
}

// turns are all that can be asked for.
func turns() map[string]turn {
	elastic := func(verb string, body any, to string, from ...string) turn {
		return turn{path: verb, body: body, after: func(l life) *life {
			if !slices.Contains(from, l.status) {
				return nil
			}
			l = l.clone()
			l.status = to
			return &l
		}}
	}
	version := func(verb string, body any, to string, from ...string) turn {
		return turn{path: "material-keys/%d/" + verb, body: body, after: func(l life) *life {
			if !slices.Contains(from, l.versions[1]) || l.status == "deleted" {
				return nil
			}
			l = l.clone()
			l.versions[1] = to
			return &l
		}}
	}
	return map[string]turn{
		"rotate": {path: "rotate", after: func(l life) *life {
			if l.status != "active" {
				return nil
			}
			l = l.clone()
			l.primary = int64(len(l.versions)) + 1
			l.versions[l.primary] = "enabled"
			return &l
		}},
		"back": {path: "material-keys/%d/set-primary", after: func(l life) *life {
			if l.versions[1] != "enabled" || l.status != "active" && l.status != "disabled" {
				return nil
			}
			l = l.clone()
			l.primary = 1
			return &l
		}},
		"disable":          elastic("disable", nil, "disabled", "active"),
		"enable":           elastic("enable", nil, "active", "disabled"),
		"schedule":         elastic("schedule-deletion", map[string]any{"wait_days": 7}, "pending_delete", "active", "disabled"),
		"cancel":           elastic("cancel-deletion", nil, "disabled", "pending_delete"),
		"disable version":  version("disable", nil, "disabled", "enabled"),
		"enable version":   version("enable", nil, "enabled", "disabled"),
		"schedule version": version("schedule-destruction", map[string]any{"wait_days": 7}, "destroy_scheduled", "enabled", "disabled"),
		"restore version":  version("restore", nil, "disabled", "destroy_scheduled"),
	}
}

// liver is a client with a key of its own.
type liver struct {
	name     string
	now      life
	pending  *turn // that has no answer
	token    string
	message  string // a ciphertext of version 1
	answered int
}

// Whenever the service dies, a key's state is the one before or the one after the change that was under way, never another; the same request with
// the same Idempotency-Key then makes it the one after, once; what was acknowledged stays, no number is used twice, everything decrypts, and the
// audit trail is whole.
func TestKill_AmidTheLifeOfKeys(t *testing.T) {
	t.Parallel()
	seed, rounds := setting(t, seedVariable, rand.Uint64()), setting(t, lifeRoundsVariable, defaultLifeRounds)
	t.Logf("%s=%d", seedVariable, seed)
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, uint64(len(engine))))
			dir, data := preparedOn(t, engine)
			i := serve(t, dir)
			livers := make([]*liver, lifeWorkers)
			for n := range livers {
				livers[n] = beginLife(t, i.landlord(t), fmt.Sprintf("life-%d", n))
			}
			unanswered, made := 0, 0
			for range rounds {
				a := i.landlord(t)
				var working sync.WaitGroup
				for n, l := range livers {
					own := rand.New(rand.NewPCG(seed^random.Uint64(), uint64(n)))
					working.Go(func() { l.live(t, a, own) })
				}
				time.Sleep(time.Duration(random.Int64N(int64(lifeMoment)))) //nolint:forbidigo // the moment of the end
				i.kill()
				working.Wait()
				endClaims(t, data)
				i = serve(t, dir)
				a = i.landlord(t)
				for _, l := range livers {
					made += l.answered
					if l.pending != nil {
						unanswered++
					}
					l.compare(t, a)
				}
			}
			t.Logf("killed %d times; %d changes acknowledged, %d without an answer", rounds, made, unanswered)
			i.trailIsWhole(t)
			i.stop(t)
		})
	}
}

// beginLife makes a key with a message.
func beginLife(t *testing.T, a *api, name string) *liver {
	t.Helper()
	answer, err := a.do(t.Context(), http.MethodPost, "elastic-keys", map[string]string{"name": name, "algorithm": "A256GCM/A256KW"}, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, answer.status, "%s", answer.body)
	var made struct{ Ciphertext string }
	answer, err = a.do(t.Context(), http.MethodPost, "elastic-keys/"+name+"/encrypt", map[string]string{"plaintext": "aGVsbG8"}, &made)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.status, "%s", answer.body)
	return &liver{name: name, message: made.Ciphertext, now: life{status: "active", primary: 1, versions: map[int64]string{1: "enabled"}}}
}

// live makes changes at random until one has no answer. A change that the state forbids must be refused.
func (l *liver) live(t *testing.T, a *api, random *rand.Rand) {
	t.Helper()
	all := turns()
	names := slices.Sorted(maps.Keys(all))
	l.pending, l.answered = nil, 0
	for {
		chosen := all[names[random.IntN(len(names))]]
		after := chosen.after(l.now)
		l.token = fmt.Sprintf("%s-%x", l.name, random.Uint64())
		answer, err := l.ask(t, a, chosen)
		switch {
		case err != nil || answer.status == http.StatusServiceUnavailable:
			if after != nil {
				l.pending = &chosen
			}
			return
		case after == nil:
			if !assert.Equal(t, http.StatusConflict, answer.status, "%s of %+v: %s", chosen.path, l.now, answer.body) {
				return
			}
		default:
			if !assert.Equal(t, 2, answer.status/100, "%s of %+v: %s", chosen.path, l.now, answer.body) {
				return
			}
			l.now = *after
			l.answered++
		}
	}
}

func (l *liver) ask(t *testing.T, a *api, chosen turn) (reply, error) {
	t.Helper()
	path := chosen.path
	if strings.Contains(path, "%d") {
		path = fmt.Sprintf(path, 1)
	}
	return a.do(t.Context(), http.MethodPost, "elastic-keys/"+l.name+"/"+path, chosen.body, nil, "Idempotency-Key", l.token)
}

// compare checks that the key is as it was, or as it was to become, and goes on from there.
func (l *liver) compare(t *testing.T, a *api) {
	t.Helper()
	found := l.read(t, a)
	possible := []life{l.now}
	if l.pending != nil {
		possible = append(possible, *l.pending.after(l.now))
	}
	assert.Contains(t, possible, found, "%s", l.name)
	if l.pending != nil {
		l.repeat(t, a)
	}
	found = l.now
	if found.status != "active" || found.versions[1] != "enabled" {
		return
	}
	var opened struct{ Plaintext string }
	answer, err := a.do(t.Context(), http.MethodPost, "elastic-keys/"+l.name+"/decrypt", map[string]string{"ciphertext": l.message}, &opened)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, answer.status, "%s", answer.body)
	assert.Equal(t, "aGVsbG8", opened.Plaintext)
}

// repeat asks twice more for the change that had no answer: it has happened once then.
func (l *liver) repeat(t *testing.T, a *api) {
	t.Helper()
	l.now = *l.pending.after(l.now)
	var first reply
	for n := range 2 {
		answer, err := l.ask(t, a, *l.pending)
		require.NoError(t, err)
		assert.Equal(t, 2, answer.status/100, "%s of %s: %s", l.pending.path, l.name, answer.body)
		if n > 0 {
			assert.Equal(t, string(first.body), string(answer.body))
			assert.Equal(t, "true", answer.header.Get("Idempotency-Replayed"))
		}
		first = answer
	}
	assert.Equal(t, l.now, l.read(t, a), "%s after it was repeated", l.name)
}

// endClaims has the requests that a dead service was at be older than any request can be; otherwise those who repeat them wait a minute.
func endClaims(t *testing.T, data database.Config) {
	t.Helper()
	inDatabase(t, data, func(ctx context.Context, db *database.DB) error {
		_, err := db.Exec(ctx, "UPDATE idempotency_records SET claimed_at = 0 WHERE state = 'running'")
		return err
	})
}

// read is the state that the service tells.
func (l *liver) read(t *testing.T, a *api) life {
	t.Helper()
	var key struct {
		Status         string `json:"status"`
		PrimaryVersion int64  `json:"primary_version"`
		VersionCount   int64  `json:"version_count"`
	}
	answer, err := a.do(t.Context(), http.MethodGet, "elastic-keys/"+l.name, nil, &key)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.status, "%s", answer.body)
	found := life{status: key.Status, primary: key.PrimaryVersion, versions: map[int64]string{}}
	for _, v := range listAll[struct {
		Version int64  `json:"version"`
		Status  string `json:"status"`
		Primary bool   `json:"primary"`
	}](t, a, "elastic-keys/"+l.name+"/material-keys") {
		assert.NotContains(t, found.versions, v.Version, "a number twice")
		assert.Equal(t, v.Version == key.PrimaryVersion, v.Primary)
		found.versions[v.Version] = v.Status
	}
	assert.Len(t, found.versions, int(key.VersionCount))
	return found
}

// trailIsWhole has the audit trail of the default tenant verified offline.
func (i *installation) trailIsWhole(t *testing.T) {
	t.Helper()
	file, keys := i.exportAudit(t, "trail")
	got := call{path: program(t, kmsServer), args: []string{"audit", "verify", file, "--key", keys}, env: environment(t.TempDir())}.run(t)
	assert.Zero(t, got.exit, "%s%s", got.stdout, got.stderr)
	assert.Regexp(t, `Intact +true`, got.stdout)
}
