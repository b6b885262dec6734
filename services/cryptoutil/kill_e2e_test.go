//go:build e2e

package cryptoutil_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

const (
	// seedVariable repeats the moments of a run whose log names its seed.
	seedVariable = "CRYPTOUTIL_E2E_SEED"
	// roundsVariable is how often the service is killed on each engine.
	roundsVariable = "CRYPTOUTIL_E2E_ROUNDS"
	defaultRounds  = 3
	killWorkers    = 50
	killEach       = 20 // operations of a worker
	sharedKeys     = 5  // that half of the workers rotate
	// setupKills of a first start happen at a moment of setupTakes.
	setupKills = 12
	setupTakes = 200 * time.Millisecond
	// claimed is how long a request that was cut off holds its Idempotency-Key (docs/adr/0006-idempotency-unit.md).
	claimed = time.Minute
)

// What the service has acknowledged it keeps, whenever it dies.
func TestKill_LosesNothingThatWasAcknowledged(t *testing.T) {
	t.Parallel()
	seed, rounds := setting(t, seedVariable, rand.Uint64()), setting(t, roundsVariable, defaultRounds)
	t.Logf("%s=%d", seedVariable, seed)
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, uint64(len(engine))))
			start := victim(t, engine)
			i := start()
			l := &ledger{keys: map[string]*entry{}}
			for n := range sharedKeys {
				l.create(t.Context(), i.api(t), fmt.Sprintf("shared-%d", n), "")
			}
			require.Len(t, l.keys, sharedKeys)
			for round := range rounds {
				after := int64(1 + random.IntN(killWorkers*killEach*9/10))
				done := l.work(t, i, round, after)
				require.GreaterOrEqual(t, done, after)
				t.Logf("round %d: killed after %d of %d operations; %d creates without an answer so far", round, done, killWorkers*killEach, len(l.unanswered))
				i = start()
				t.Logf("round %d: ready again after %s", round, i.ready.Round(time.Millisecond))
				l.audit(t, i.api(t))
			}
			l.repeatCreates(t, i.api(t))
			l.audit(t, i.api(t))
			i.stop(t)
		})
	}
}

// victim prepares a service on an engine and returns what starts it, again and again.
func victim(t *testing.T, engine string) (start func() *installation) {
	t.Helper()
	if engine == database.EngineSQLite {
		dir := filepath.Join(t.TempDir(), "data")
		return func() *installation { return dev(t, dir) }
	}
	fresh := dbtest.Fresh(t, engine)
	dir, _ := initialize(t, "--postgres-url", fresh.URL, "--postgres-password-file", fresh.Password.File())
	return func() *installation { return serve(t, dir) }
}

// ledger is what the clients know: what was acknowledged, and what was asked for without an answer.
type ledger struct {
	mu         sync.Mutex
	keys       map[string]*entry // guarded by mu; by name
	unanswered []attempt         // guarded by mu
	doubles    []string          // guarded by mu; versions that were acknowledged twice
	refusals   []string          // guarded by mu; answers that are none of what was asked for
}

// entry is a key that exists.
type entry struct {
	id        string
	versions  map[int64]bool // acknowledged
	uncertain int64          // rotations without an answer
	messages  []message
}

// message is a ciphertext that was handed out.
type message struct {
	ciphertext string
	plaintext  string // base64url
	version    int64
}

// attempt is a create whose answer never came.
type attempt struct{ name, idempotencyKey string }

type elasticKey struct {
	ID             string `json:"id"`
	Name           string `json:"name"`
	PrimaryVersion int64  `json:"primary_version"`
	VersionCount   int64  `json:"version_count"`
}

// work has all workers at it and kills the service when so many operations were acknowledged. It returns how many were in the end. A worker
// ends with its first request that has no answer.
func (l *ledger) work(t *testing.T, i *installation, round uint64, after int64) (done int64) {
	t.Helper()
	ctx, a := t.Context(), i.api(t)
	var acknowledged atomic.Int64
	count := func(ok bool) bool {
		if ok && acknowledged.Add(1) == after {
			i.kill()
		}
		return ok
	}
	var workers sync.WaitGroup
	for w := range killWorkers {
		workers.Go(func() {
			for n := range killEach / 4 {
				name := fmt.Sprintf("r%d-w%d-n%d", round, w, n)
				rotated := name
				if w%2 == 0 {
					rotated = fmt.Sprintf("shared-%d", (w+n)%sharedKeys)
				}
				if !count(l.create(ctx, a, name, name)) || !count(l.encrypt(ctx, a, name, name+" as made")) ||
					!count(l.rotate(ctx, a, rotated)) || !count(l.encrypt(ctx, a, rotated, name+" after rotating "+rotated)) {
					return
				}
			}
		})
	}
	workers.Wait()
	i.kill()
	return acknowledged.Load()
}

// create makes a key and notes it. It tells whether the service did.
func (l *ledger) create(ctx context.Context, a *api, name, idempotencyKey string) bool {
	var key elasticKey
	header := []string{}
	if idempotencyKey != "" {
		header = []string{"Idempotency-Key", idempotencyKey}
	}
	answer, err := a.do(ctx, http.MethodPost, "elastic-keys", map[string]string{"name": name, "algorithm": "A256GCM/A256KW"}, &key, header...)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.acknowledged(answer, err) {
		l.unanswered = append(l.unanswered, attempt{name, idempotencyKey})
		return false
	}
	l.keys[name] = &entry{id: key.ID, versions: map[int64]bool{1: true}}
	return true
}

// rotate adds a version to a key that exists.
func (l *ledger) rotate(ctx context.Context, a *api, name string) bool {
	var made struct {
		Version int64 `json:"version"`
	}
	answer, err := a.do(ctx, http.MethodPost, "elastic-keys/"+name+"/rotate", nil, &made)
	l.mu.Lock()
	defer l.mu.Unlock()
	key := l.keys[name]
	if !l.acknowledged(answer, err) {
		key.uncertain++
		return false
	}
	if key.versions[made.Version] {
		l.doubles = append(l.doubles, fmt.Sprintf("%s.%d", name, made.Version))
	}
	key.versions[made.Version] = true
	return true
}

// encrypt keeps a ciphertext under a key that exists.
func (l *ledger) encrypt(ctx context.Context, a *api, name, text string) bool {
	m := message{plaintext: base64.RawURLEncoding.EncodeToString([]byte(text))}
	var made struct {
		Ciphertext string `json:"ciphertext"`
		Version    int64  `json:"version"`
	}
	answer, err := a.do(ctx, http.MethodPost, "elastic-keys/"+name+"/encrypt", map[string]string{"plaintext": m.plaintext}, &made)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.acknowledged(answer, err) {
		return false
	}
	m.ciphertext, m.version = made.Ciphertext, made.Version
	l.keys[name].messages = append(l.keys[name].messages, m)
	return true
}

// acknowledged tells whether the service did what was asked. There must be no answer but that. l.mu is held.
func (l *ledger) acknowledged(answer reply, err error) bool {
	if err == nil && answer.status/100 != 2 {
		l.refusals = append(l.refusals, fmt.Sprintf("%d %s", answer.status, answer.body))
	}
	return err == nil && answer.status/100 == 2
}

func TestKill_ASetupThatWasCutOffIsCompleted(t *testing.T) {
	t.Parallel()
	seed := setting(t, seedVariable, rand.Uint64())
	t.Logf("%s=%d", seedVariable, seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range setupKills {
		dir := filepath.Join(t.TempDir(), "data")
		p := launch(t, call{path: program(t, suite), args: []string{"dev", "--data", dir, "--ephemeral-ports"}, env: environment(t.TempDir())})
		moment := time.Duration(random.Int64N(int64(setupTakes)))
		select {
		case <-p.ended:
		case <-time.After(moment):
		}
		p.kill()
		i := dev(t, dir)
		assert.Contains(t, i.run(t, "self"), "operator", "killed after %s", moment)
		i.checkModes(t)
		for name := range readTree(t, dir) {
			assert.False(t, strings.HasSuffix(name, ".new"), "killed after %s: %s is left", moment, name)
		}
		i.kill()
	}
}

func TestDev_TwoAtOnceAgreeOnAFreshDirectory(t *testing.T) {
	t.Parallel()
	for range 5 {
		dir := filepath.Join(t.TempDir(), "data")
		c := call{path: program(t, suite), args: []string{"dev", "--data", dir, "--ephemeral-ports"}, env: environment(t.TempDir())}
		var both []*installation
		for _, p := range []*process{launch(t, c), launch(t, c)} {
			both = append(both, started(t, p, dir, "keys survive.\n", devWords))
		}
		for n, i := range both {
			answer, err := i.api(t).do(t.Context(), http.MethodPost, "elastic-keys", map[string]string{"name": fmt.Sprintf("key-%d", n), "algorithm": "A256GCM/A256KW"}, nil)
			require.NoError(t, err)
			assert.Equal(t, http.StatusCreated, answer.status, "%s", answer.body)
		}
		for _, i := range both {
			assert.Len(t, listAll[elasticKey](t, i.api(t), "elastic-keys"), 2)
			i.kill()
		}
	}
}
