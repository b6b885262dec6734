package kmstest

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/quorum"
)

// StateChange is a change of a key, or of its first version, and what it does to uses.
type StateChange struct {
	What string
	// Steps are paths below the key, each asked for in turn; those with a space before them take a quorum.
	Steps []string
	// Makes, Reads and Override are the codes of what makes something new, of what reads, and of reading with the scope for it.
	Makes, Reads, Override string
	// Undo makes everything work again; none: nothing does.
	Undo []string
}

// InvalidState is the code of an operation that the state of a key does not allow.
const InvalidState = "invalid_state"

// States is a court that plays through changes of keys.
type States struct {
	Court

	Override string // a token that may do everything, also with what is compromised
	worst    time.Duration
	checked  int
}

// EachState is EachCourt for a court that changes the states of keys.
func EachState(t *testing.T, test func(t *testing.T, c *States)) {
	t.Helper()
	EachCourt(t, func(t *testing.T, c Court) {
		s := &States{Court: c, Override: c.First.Token(t, "default", "override", "kms:admin", "kms:use-compromised")}
		require.Eventually(t, func() bool {
			return c.Second.Call(t, s.Override, http.MethodGet, "self", nil).Status == http.StatusOK
		}, 10*time.Second, 10*time.Millisecond, "the other replica has read the realm file")
		test(t, s)
		if s.checked > 0 {
			t.Logf("%d answers of the other replica; what was refused went on to work for at most %s", s.checked, s.worst.Round(time.Millisecond))
		}
	})
}

// Keys makes keys whose quorums are people of the court.
func (c *States) Keys(t *testing.T, prefix string) Holding {
	t.Helper()
	policy := map[string]any{"quorum": map[string]any{"approvals": 2, "approvers": []string{c.IDs["anna"], c.IDs["ben"]}}}
	return KeysForUses(t, c.First, "", prefix, func(name, algorithm string) string {
		return c.First.Made(t, name, map[string]any{"algorithm": algorithm, "policy": policy})
	})
}

// Step brings about one part of a change, on the first replica.
func (c *States) Step(t *testing.T, key, step string) {
	t.Helper()
	if !strings.HasPrefix(step, " ") {
		c.First.Post(t, "", "elastic-keys/"+key+"/"+step, nil)
		return
	}
	operation, parameters := "destroyMaterialKey", map[string]any{"version": "1"}
	if step == " delete" {
		operation, parameters = "deleteElasticKey", nil
	}
	approval := c.Approved(t, operation, key, parameters)
	c.First.Call(t, c.Token, http.MethodPost, "elastic-keys/"+key+"/"+strings.TrimSpace(step), nil, quorum.Header, approval).Done(t, http.StatusOK)
}

// Settles waits until the other replica answers a form as it must from now on, and checks it on both. Until then it may only answer as before.
func (c *States) Settles(t *testing.T, f Form, token string, before, want []string, began time.Time, what string) {
	t.Helper()
	assert.Equal(t, want, f.Codes(t, c.First, token), "%s: %s on the replica that has changed it", what, f)
	for {
		sent := time.Since(began)
		got := f.Codes(t, c.Second, token)
		c.checked += len(got)
		if slices.Equal(got, want) {
			return
		}
		c.worst = max(c.worst, sent)
		for i := range got { // a change of several steps has codes between
			require.Contains(t, []string{before[i], want[i], InvalidState, "version_compromised"}, got[i], "%s: %s", what, f)
		}
		require.Less(t, sent, TakesEffect, "%s: %s on the other replica: %v and not %v", what, f, got, want)
	}
}

// Wanted are the codes of a form's bodies after a change of version 1, beside which there may be a newer one that is primary.
func (f Form) Wanted(change StateChange, newer, override bool) (codes []string) {
	for _, body := range f.Bodies {
		code := change.Reads
		switch {
		case newer && f.OfPrimary(body):
			code = f.normal(body, true)
		case f.makes() || f.Verb == "reencrypt" && !newer: // to the version that it is under
			code = change.Makes
		case override:
			code = change.Override
		}
		codes = append(codes, code)
	}
	return codes
}

// normal is what a body is answered while nothing is wrong. A bare signature and a MAC of an older version are not of the primary one.
func (f Form) normal(body map[string]any, newer bool) string {
	if newer && f.OfPrimary(body) && (f.Verb == "verify" || f.Verb == "verify-mac") {
		return "not valid"
	}
	return ""
}

// Normally are the codes of a form's bodies while nothing is wrong; newer says that there is a newer version.
func (f Form) Normally(newer bool) (codes []string) {
	for _, body := range f.Bodies {
		codes = append(codes, f.normal(body, newer))
	}
	return codes
}

// Play goes through a change with every form, and back.
func (c *States) Play(t *testing.T, h Holding, change StateChange, newer bool) {
	t.Helper()
	forms := h.Forms(t)
	for _, key := range h.Keys() {
		own := slices.DeleteFunc(slices.Clone(forms), func(f Form) bool { return f.Key() != key })
		require.NotEmpty(t, own)
		if newer {
			c.First.Post(t, "", "elastic-keys/"+key+"/rotate", nil)
		}
		for _, f := range own {
			c.Settles(t, f, "", f.Normally(newer), f.Normally(newer), time.Now(), "before "+change.What)
		}
		for _, step := range change.Steps {
			c.Step(t, key, step)
		}
		began := time.Now()
		for _, f := range own {
			c.Settles(t, f, "", f.Normally(newer), f.Wanted(change, newer, false), began, change.What)
			if with := f.Wanted(change, newer, true); change.Override != change.Reads {
				c.Settles(t, f, c.Override, with, with, began, change.What+", with the scope for it")
			}
		}
		if change.Undo == nil {
			continue
		}
		for _, step := range change.Undo {
			c.Step(t, key, step)
		}
		began = time.Now()
		for _, f := range own {
			c.Settles(t, f, "", f.Wanted(change, newer, false), f.Normally(newer), began, "after "+change.What)
		}
	}
}
