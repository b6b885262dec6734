//go:build e2e

package cryptoutil_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

const (
	// movedKeys each have movedVersions for rewrap to move, which takes about moveTakes.
	movedKeys, movedVersions = 8, 25
	moveTakes                = 400 * time.Millisecond
)

// Moving values under new keys may be cut off anywhere, again and again; at last it comes to an end, and the old keys can go.
func TestKill_RewrappingGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	seed, rounds := setting(t, seedVariable, rand.Uint64()), setting(t, roundsVariable, defaultRounds)
	t.Logf("%s=%d", seedVariable, seed)
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, uint64(len(engine))))
			dir, data := preparedOn(t, engine)
			i := serve(t, dir)
			v := newVault(t, i)
			v.grow(t, i)
			unfinished := 0
			for round := range rounds {
				for _, level := range []string{"content", "intermediate"} {
					i.orders(t, http.MethodPost, "barrier/rotate", map[string]string{"level": level, "tenant": "default"}, nil)
				}
				moment := time.Duration(random.Int64N(int64(moveTakes)))
				i.orders(t, http.MethodPost, "barrier/rewrap", map[string]bool{"retire": true}, nil)
				eventually(t, "rewrapping moves something", func() bool { return i.rewrapping(t).scanned() > 0 })
				i.killAfter(moment)
				endLeases(t, data)
				begun := time.Now()
				i = serve(t, dir)
				seen := i.rewrapping(t)
				if !seen.Finished {
					unfinished++
				}
				v.opens(t, i)
				var report rewrapReport
				eventually(t, "rewrapping ends by itself", func() bool { report = i.rewrapping(t); return report.Finished })
				for _, source := range report.Sources {
					assert.Zero(t, source.Failed, "%+v", source)
				}
				v.opens(t, i)
				t.Logf("round %d: killed %s after its begin; %d values had been seen at the next start; ended %s after that", round,
					moment.Round(time.Millisecond), seen.scanned(), time.Since(begun).Round(time.Millisecond))
			}
			t.Logf("%d of %d kills cut rewrapping off", unfinished, rounds)
			v.opens(t, i)
			i.stop(t)
			i = serve(t, dir)
			v.opens(t, i)
			i.stop(t)
		})
	}
}

// rewrapReport is how far rewrapping is.
type rewrapReport struct {
	Run      string `json:"run"`
	Finished bool   `json:"finished"`
	Sources  []struct {
		Source    string `json:"source"`
		Scanned   int    `json:"scanned"`
		Rewrapped int    `json:"rewrapped"`
		Failed    int    `json:"failed"`
		Failure   string `json:"failure"`
	} `json:"sources"`
}

// scanned is how many values were looked at.
func (r rewrapReport) scanned() (n int) {
	for _, source := range r.Sources {
		n += source.Scanned
	}
	return n
}

func (i *installation) rewrapping(t *testing.T) (report rewrapReport) {
	t.Helper()
	i.orders(t, http.MethodGet, "barrier/rewrap", nil, &report)
	return report
}

// grow makes many versions with a message under each.
func (v *vault) grow(t *testing.T, i *installation) {
	t.Helper()
	a := i.api(t)
	for n := range movedKeys {
		name := fmt.Sprintf("moved-%d", n)
		v.add(t, i, name)
		for range movedVersions {
			answer, err := a.do(t.Context(), http.MethodPost, "elastic-keys/"+name+"/rotate", nil, nil)
			require.NoError(t, err)
			require.Equal(t, 2, answer.status/100, "%s", answer.body)
			v.encrypt(t, a, name)
		}
	}
}
