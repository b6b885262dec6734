package kms_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/quorum"
)

// statechange is a change of a key, or of its first version, and what it does to uses.
type statechange struct {
	what string
	// steps are paths below the key, each asked for in turn; those with a space before them take a quorum.
	steps []string
	// makes, reads and override are the codes of what makes something new, of what reads, and of reading with the scope for it.
	makes, reads, override string
	// undo makes everything work again; none: nothing does.
	undo []string
}

const invalidState = "invalid_state"

func keyChanges() []statechange {
	return []statechange{
		{"a disabled key", []string{"disable"}, invalidState, invalidState, invalidState, []string{"enable"}},
		{"a key that waits for its deletion", []string{"schedule-deletion"}, invalidState, invalidState, invalidState, []string{"cancel-deletion", "enable"}},
		{"a deleted key", []string{"schedule-deletion", " delete"}, notFound, notFound, notFound, nil},
	}
}

func versionChanges() []statechange {
	of := func(actions ...string) (paths []string) {
		for _, action := range actions {
			spaces := action[:len(action)-len(strings.TrimLeft(action, " "))]
			paths = append(paths, spaces+"material-keys/1/"+strings.TrimLeft(action, " "))
		}
		return paths
	}
	return []statechange{
		{"a disabled version", of("disable"), invalidState, invalidState, invalidState, of("enable")},
		{"a compromised version", of("mark-compromised"), invalidState, "version_compromised", "", nil},
		{"a version that waits for its destruction", of("schedule-destruction"), invalidState, invalidState, invalidState, of("restore", "enable")},
		{
			"a compromised version that waits for its destruction", of("mark-compromised", "schedule-destruction"),
			invalidState, invalidState, invalidState, nil,
		},
		{"a compromised version whose destruction is called off", of("mark-compromised", "schedule-destruction", "restore"), invalidState, "version_compromised", "", nil},
		{"a destroyed version", of("schedule-destruction", " destroy"), invalidState, invalidState, invalidState, nil},
	}
}

// states is a court that plays through changes of keys.
type states struct {
	court

	override string // a token that may do everything, also with what is compromised
	worst    time.Duration
	checked  int
}

func eachState(t *testing.T, test func(t *testing.T, c *states)) {
	t.Helper()
	eachCourt(t, func(t *testing.T, c court) {
		s := &states{court: c, override: c.first.token(t, "default", "override", "kms:admin", "kms:use-compromised")}
		require.Eventually(t, func() bool {
			return c.second.call(t, s.override, http.MethodGet, "self", nil).status == http.StatusOK
		}, 10*time.Second, 10*time.Millisecond, "the other replica has read the realm file")
		test(t, s)
		if s.checked > 0 {
			t.Logf("%d answers of the other replica; what was refused went on to work for at most %s", s.checked, s.worst.Round(time.Millisecond))
		}
	})
}

// keys makes keys whose quorums are people of the court.
func (c *states) keys(t *testing.T, prefix string) holding {
	t.Helper()
	policy := map[string]any{"quorum": map[string]any{"approvals": 2, "approvers": []string{c.ids["anna"], c.ids["ben"]}}}
	return keysForUses(t, c.first, "", prefix, func(name, algorithm string) string {
		return c.first.made(t, name, map[string]any{"algorithm": algorithm, "policy": policy})
	})
}

// step brings about one part of a change, on the first replica.
func (c *states) step(t *testing.T, key, step string) {
	t.Helper()
	if !strings.HasPrefix(step, " ") {
		c.first.post(t, "", "elastic-keys/"+key+"/"+step, nil)
		return
	}
	operation, parameters := "destroyMaterialKey", map[string]any{"version": "1"}
	if step == " delete" {
		operation, parameters = "deleteElasticKey", nil
	}
	approval := c.approved(t, operation, key, parameters)
	c.first.call(t, c.token, http.MethodPost, "elastic-keys/"+key+"/"+strings.TrimSpace(step), nil, quorum.Header, approval).done(t, http.StatusOK)
}

// settles waits until the other replica answers a form as it must from now on, and checks it on both. Until then it may only answer as before.
func (c *states) settles(t *testing.T, f form, token string, before, want []string, began time.Time, what string) {
	t.Helper()
	assert.Equal(t, want, f.codes(t, c.first, token), "%s: %s on the replica that has changed it", what, f)
	for {
		sent := time.Since(began)
		got := f.codes(t, c.second, token)
		c.checked += len(got)
		if slices.Equal(got, want) {
			return
		}
		c.worst = max(c.worst, sent)
		for i := range got { // a change of several steps has codes between
			require.Contains(t, []string{before[i], want[i], invalidState, "version_compromised"}, got[i], "%s: %s", what, f)
		}
		require.Less(t, sent, takesEffect, "%s: %s on the other replica: %v and not %v", what, f, got, want)
	}
}

// wanted are the codes of a form's bodies after a change of version 1, beside which there may be a newer one that is primary.
func (f form) wanted(change statechange, newer, override bool) (codes []string) {
	for _, body := range f.bodies {
		code := change.reads
		switch {
		case newer && f.ofPrimary(body):
			code = f.normal(body, true)
		case f.makes() || f.verb == "reencrypt" && !newer: // to the version that it is under
			code = change.makes
		case override:
			code = change.override
		}
		codes = append(codes, code)
	}
	return codes
}

// normal is what a body is answered while nothing is wrong. A bare signature and a MAC of an older version are not of the primary one.
func (f form) normal(body map[string]any, newer bool) string {
	if newer && f.ofPrimary(body) && (f.verb == "verify" || f.verb == "verify-mac") {
		return "not valid"
	}
	return ""
}

func (f form) normally(newer bool) (codes []string) {
	for _, body := range f.bodies {
		codes = append(codes, f.normal(body, newer))
	}
	return codes
}

// play goes through a change with every form, and back.
func (c *states) play(t *testing.T, h holding, change statechange, newer bool) {
	t.Helper()
	forms := h.forms(t)
	for _, key := range h.keys() {
		own := slices.DeleteFunc(slices.Clone(forms), func(f form) bool { return f.key() != key })
		require.NotEmpty(t, own)
		if newer {
			c.first.post(t, "", "elastic-keys/"+key+"/rotate", nil)
		}
		for _, f := range own {
			c.settles(t, f, "", f.normally(newer), f.normally(newer), time.Now(), "before "+change.what)
		}
		for _, step := range change.steps {
			c.step(t, key, step)
		}
		began := time.Now()
		for _, f := range own {
			c.settles(t, f, "", f.normally(newer), f.wanted(change, newer, false), began, change.what)
			if with := f.wanted(change, newer, true); change.override != change.reads {
				c.settles(t, f, c.override, with, with, began, change.what+", with the scope for it")
			}
		}
		if change.undo == nil {
			continue
		}
		for _, step := range change.undo {
			c.step(t, key, step)
		}
		began = time.Now()
		for _, f := range own {
			c.settles(t, f, "", f.wanted(change, newer, false), f.normally(newer), began, "after "+change.what)
		}
	}
}

// Every operation in every form, alone, in a batch and of octets, is refused by its code on every replica within a second of the change, and works
// again when the change is undone.
func TestStates_EveryUseIsRefusedOnEveryReplica(t *testing.T) {
	t.Parallel()
	eachState(t, func(t *testing.T, c *states) {
		for i, change := range keyChanges() {
			c.play(t, c.keys(t, fmt.Sprintf("key-%d", i)), change, false)
		}
		for i, change := range versionChanges() {
			c.play(t, c.keys(t, fmt.Sprintf("version-%d", i)), change, false)
		}
	})
}

// An older version is refused where a message names it, and the primary one works on.
func TestStates_AnOlderVersionIsRefusedAlone(t *testing.T) {
	t.Parallel()
	eachState(t, func(t *testing.T, c *states) {
		for i, change := range versionChanges() {
			c.play(t, c.keys(t, fmt.Sprintf("older-%d", i)), change, true)
		}
	})
}
