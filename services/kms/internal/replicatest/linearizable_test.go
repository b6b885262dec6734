package replicatest_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// What the histories are made of.
const (
	historyReplicas = 3
	historyClients  = 3 // at each replica
	historyKeys     = 3
	historySteps    = 25 // of each client
	maxStale        = time.Second
	checkingTime    = 30 * time.Second
)

// step is what a client asks of a key.
type step struct {
	key, action string
	version     int64
}

// outcome is what it was told.
type outcome struct {
	status   int
	code     string // of a refusal
	key      string // the key's status
	primary  int64
	versions int64
}

// keyState is what the model knows of a key. Versions are numbered from 1; bit n of disabled is version n's.
type keyState struct {
	enabled           bool
	primary, versions int64
	disabled          uint64
}

func (s keyState) off(version int64) bool { return s.disabled>>uint(version)&1 == 1 }

// next is the state after a step with that outcome, if the outcome is one that the state explains.
func (s keyState) next(in step, out outcome) (bool, keyState) {
	if out.code == "conflict" { // somebody else was faster; nothing was done
		return true, s
	}
	done := out.status/100 == 2
	bit := uint64(1) << uint(in.version)
	switch in.action {
	case "get":
		want := map[bool]string{true: "active", false: "disabled"}[s.enabled]
		return done && out.key == want && out.primary == s.primary && out.versions == s.versions, s
	case "enable", "disable":
		enable := in.action == "enable"
		if done == (s.enabled == enable) {
			return false, s
		}
		if done {
			s.enabled = enable
		}
		return true, s
	case "rotate":
		if done != s.enabled {
			return false, s
		}
		if done {
			s.versions++
			s.primary = s.versions
			return out.primary == s.versions, s
		}
		return true, s
	case "set-primary":
		exists := in.version <= s.versions
		if done != (exists && !s.off(in.version)) {
			return false, s
		}
		if done {
			s.primary = in.version
		}
		return true, s
	default: // version-enable, version-disable
		enable := in.action == "version-enable"
		possible := in.version <= s.versions && s.off(in.version) == enable
		if done != possible {
			return false, s
		}
		if done {
			s.disabled ^= bit
		}
		return true, s
	}
}

func keyModel() porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			byKey := map[string][]porcupine.Operation{}
			for _, op := range history {
				key := op.Input.(step).key
				byKey[key] = append(byKey[key], op)
			}
			var parts [][]porcupine.Operation
			for _, part := range byKey {
				parts = append(parts, part)
			}
			return parts
		},
		Init:              func() any { return keyState{enabled: true, primary: 1, versions: 1} },
		Step:              func(state, in, out any) (bool, any) { return state.(keyState).next(in.(step), out.(outcome)) },
		Equal:             func(a, b any) bool { return a == b },
		DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v -> %+v", in, out) },
	}
}

// use is an encryption that somebody made meanwhile.
type use struct {
	key       string
	call, end time.Time
	status    int
	version   int64
}

// history is what clients of several replicas did at once.
type history struct {
	mu       sync.Mutex
	began    time.Time
	controls []porcupine.Operation // guarded by mu
	uses     []use                 // guarded by mu
}

// client makes steps at random, and uses keys in between.
func (h *history) client(t *testing.T, s *kmstest.Service, token string, id int, random *rand.Rand) error {
	t.Helper()
	actions := []string{"get", "get", "enable", "disable", "enable", "rotate", "set-primary", "version-enable", "version-disable"}
	for range historySteps {
		in := step{key: fmt.Sprintf("shared-%d", random.IntN(historyKeys)), action: actions[random.IntN(len(actions))], version: int64(1 + random.IntN(4))}
		call := time.Since(h.began)
		out, err := in.take(t, s, token)
		if err != nil {
			return err
		}
		end := time.Since(h.began)
		h.mu.Lock()
		h.controls = append(h.controls, porcupine.Operation{ClientId: id, Input: in, Call: int64(call), Output: out, Return: int64(end)})
		h.mu.Unlock()

		began := time.Now()
		got, err := s.Exchange(s.Request(t, token, http.MethodPost, "elastic-keys/"+in.key+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}))
		if err != nil {
			return err
		}
		u := use{key: in.key, call: began, end: time.Now(), status: got.Status}
		if got.Status == http.StatusOK {
			u.version = int64(got.Object(t)["version"].(float64))
		}
		h.mu.Lock()
		h.uses = append(h.uses, u)
		h.mu.Unlock()
	}
	return nil
}

// take asks for the step.
func (in step) take(t *testing.T, s *kmstest.Service, token string) (outcome, error) {
	t.Helper()
	method, path := http.MethodPost, "elastic-keys/"+in.key+"/"+in.action
	version := strconv.FormatInt(in.version, 10)
	switch in.action {
	case "get":
		method, path = http.MethodGet, "elastic-keys/"+in.key
	case "set-primary":
		path = "elastic-keys/" + in.key + "/material-keys/" + version + "/set-primary"
	case "version-enable", "version-disable":
		path = "elastic-keys/" + in.key + "/material-keys/" + version + "/" + strings.TrimPrefix(in.action, "version-")
	}
	got, err := s.Exchange(s.Request(t, token, method, path, nil))
	if err != nil {
		return outcome{}, err
	}
	out := outcome{status: got.Status}
	body := got.Object(t)
	if got.Status/100 != 2 {
		out.code, _ = body["code"].(string)
		return out, nil
	}
	switch in.action {
	case "get":
		out.key = body["status"].(string)
		out.primary, out.versions = int64(body["primary_version"].(float64)), int64(body["version_count"].(float64))
	case "rotate":
		out.primary = int64(body["version"].(float64))
	}
	return out, nil
}

// Whatever clients of three replicas do to the same keys at once, what they are told has one order that explains it; and nobody uses a key in a
// state that ended more than a second ago.
func TestReplicas_ControlIsLinearizableAndUseIsFresh(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg, files := kmstest.Prepare(t, engine)
			replicas := []*kmstest.Service{kmstest.Run(t, cfg, files)}
			for len(replicas) < historyReplicas {
				replicas = append(replicas, kmstest.Run(t, cfg, files))
			}
			token := replicas[0].Operator(t)
			for n := range historyKeys {
				replicas[0].Create(t, token, fmt.Sprintf("shared-%d", n), "A256GCM/A256KW")
			}
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			h := &history{began: time.Now()}
			var clients sync.WaitGroup
			failures := make([]error, historyReplicas*historyClients)
			for id := range failures {
				clients.Go(func() {
					failures[id] = h.client(t, replicas[id%historyReplicas], token, id, rand.New(rand.NewPCG(seed, uint64(id))))
				})
			}
			clients.Wait()
			for _, failure := range failures {
				require.NoError(t, failure)
			}
			assert.Equal(t, porcupine.Ok, porcupine.CheckOperationsTimeout(keyModel(), h.controls, checkingTime), "%+v", h.controls)
			done := 0
			for _, op := range h.controls {
				if op.Output.(outcome).status/100 == 2 {
					done++
				}
			}
			stale := 0
			for _, u := range h.uses {
				if why := h.stale(u); why != "" {
					stale++
					t.Errorf("%s: %+v", why, u)
				}
			}
			t.Logf("%d control operations, %d done, the others refused; %d uses, %d stale", len(h.controls), done, len(h.uses), stale)
			assert.Greater(t, done, len(h.controls)/4)
		})
	}
}

// stale tells why no state that was in force within the last second explains a use, or "".
func (h *history) stale(u use) string {
	if u.status != http.StatusOK {
		return ""
	}
	var primaries, switches []porcupine.Operation
	for _, op := range h.controls {
		in, out := op.Input.(step), op.Output.(outcome)
		if in.key != u.key || out.status/100 != 2 {
			continue
		}
		switch in.action {
		case "rotate", "set-primary":
			primaries = append(primaries, op)
		case "enable", "disable":
			switches = append(switches, op)
		}
	}
	call, end := int64(u.call.Sub(h.began)-maxStale), int64(u.end.Sub(h.began))
	becomes := func(op porcupine.Operation) int64 {
		if in := op.Input.(step); in.action == "set-primary" {
			return in.version
		}
		return op.Output.(outcome).primary
	}
	// ended tells whether something that began at a time was over for certain before the use.
	ended := func(began int64, all []porcupine.Operation, ends func(porcupine.Operation) bool) bool {
		for _, op := range all {
			if ends(op) && op.Call > began && op.Return < call {
				return true
			}
		}
		return false
	}
	other := func(op porcupine.Operation) bool { return becomes(op) != u.version }
	explained := u.version == 1 && !ended(-1, primaries, other)
	for _, op := range primaries {
		explained = explained || becomes(op) == u.version && op.Call <= end && !ended(op.Return, primaries, other)
	}
	if !explained {
		return "a version that is no longer primary has encrypted"
	}
	disables := func(op porcupine.Operation) bool { return op.Input.(step).action == "disable" }
	explained = !ended(-1, switches, disables)
	for _, op := range switches {
		explained = explained || !disables(op) && op.Call <= end && !ended(op.Return, switches, disables)
	}
	if !explained {
		return "a disabled key has encrypted"
	}
	return ""
}

// The checks above find what they are for.
func TestHistory_WithoutAnOrderOrWithStaleUsesIsFound(t *testing.T) {
	t.Parallel()
	rotate := porcupine.Operation{Input: step{key: "k", action: "rotate"}, Call: 10, Output: outcome{status: 201, primary: 2}, Return: 20}
	get := func(primary int64) porcupine.Operation {
		return porcupine.Operation{
			ClientId: 1, Input: step{key: "k", action: "get"}, Call: 30,
			Output: outcome{status: 200, key: "active", primary: primary, versions: 2}, Return: 40,
		}
	}
	assert.True(t, porcupine.CheckOperations(keyModel(), []porcupine.Operation{rotate, get(2)}))
	assert.False(t, porcupine.CheckOperations(keyModel(), []porcupine.Operation{rotate, get(1)}), "a read that lags")
	again := rotate
	again.ClientId, again.Call, again.Return = 1, 12, 22
	assert.False(t, porcupine.CheckOperations(keyModel(), []porcupine.Operation{rotate, again}), "a version number that was given twice")

	h := &history{began: time.Now(), controls: []porcupine.Operation{
		rotate,
		{Input: step{key: "k", action: "disable"}, Call: int64(5 * time.Second), Output: outcome{status: 200}, Return: int64(5*time.Second) + 1},
	}}
	at := func(after time.Duration, version int64) use {
		return use{key: "k", call: h.began.Add(after), end: h.began.Add(after + time.Millisecond), status: http.StatusOK, version: version}
	}
	assert.Empty(t, h.stale(at(time.Second/2, 1)), "the state of half a second ago")
	assert.Empty(t, h.stale(at(2*time.Second, 2)))
	assert.Empty(t, h.stale(at(5*time.Second+time.Second/2, 2)))
	assert.NotEmpty(t, h.stale(at(2*time.Second, 1)), "not primary any more")
	assert.NotEmpty(t, h.stale(at(7*time.Second, 2)), "disabled")
	assert.NotEmpty(t, h.stale(at(2*time.Second, 3)), "a version that nobody made")
}
