//go:build e2e

package cryptoutil_test

import (
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// stepTakes is about how long a step of a rekeying takes: the kill comes within it.
const stepTakes = 12 * time.Millisecond

// tally counts what kills left.
type tally struct{ before, old, renewed, committed int }

func (c *tally) String() string {
	return fmt.Sprintf("killed %d times before the commit was asked for; amid it %d times with the old material in force and %d times with the new; %d times after it",
		c.before, c.old, c.renewed, c.committed)
}

// outcome counts one kill, and checks that the material that opens the barrier now may be the one.
func (c *tally) outcome(t *testing.T, p progress, old bool) {
	t.Helper()
	switch {
	case p.committed:
		c.committed++
		assert.False(t, old, "the old material opens the barrier after the commit")
	case !p.commitSent:
		c.before++
		assert.True(t, old, "the old material does not open the barrier before the commit")
	case old:
		c.old++
	default:
		c.renewed++
	}
}

// A rekeying that is cut off leaves a barrier that opens with the old secret or with the new one.
func TestKill_RekeyingToANewSecretLeavesOneThatOpens(t *testing.T) {
	t.Parallel()
	seed, rounds := setting(t, seedVariable, mathrand.Uint64()), setting(t, roundsVariable, defaultRounds)
	t.Logf("%s=%d", seedVariable, seed)
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			random := mathrand.New(mathrand.NewPCG(seed, uint64(len(engine))))
			dir := prepared(t, engine)
			current := filepath.Join(dir, "secrets", "unseal")
			i := serve(t, dir)
			v := newVault(t, i)
			var counted tally
			for round := range rounds {
				next := filepath.Join(dir, "secrets", fmt.Sprintf("unseal-%d", round))
				secret := make([]byte, 32)
				_, err := rand.Read(secret)
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(next, secret, 0o600))
				empty := func() map[string]any { return map[string]any{} }
				steps := []step{
					{path: "start", body: func() map[string]any { return map[string]any{"mode": "derive", "secret": fileURL(next)} }},
					{path: "verify", body: empty},
					{path: "commit", body: empty},
				}
				victim := victimStep(random, len(steps))
				p := i.rekeyAmid(t, steps, victim, time.Duration(random.Int64N(int64(stepTakes))))

				setSecret(t, dir, current)
				opened, err := attempts(t, dir)
				old := err == nil
				if p.staged && !p.commitSent {
					// Staged, both open it.
					require.NoError(t, err)
					opened.stop(t)
					setSecret(t, dir, next)
					opened, err = attempts(t, dir)
					require.NoError(t, err, "the staged secret does not open the barrier")
				}
				if !old {
					t.Logf("round %d: the old secret: %s", round, err)
					setSecret(t, dir, next)
					opened, err = attempts(t, dir)
					require.NoError(t, err, "neither secret opens the barrier: %+v", p)
					current = next
				}
				counted.outcome(t, p, old)
				i = opened
				v.opens(t, i)
				v.add(t, i, fmt.Sprintf("after-%d", round))
				if old {
					i.endRekeying(t)
					if p.staged && !p.commitSent { // it runs on the staged secret, which has ended
						i.kill()
						setSecret(t, dir, current)
						i = serve(t, dir)
						v.opens(t, i)
					}
				}
			}
			t.Log(counted.String())
			i.stop(t)
		})
	}
}

// A rekeying that is cut off leaves a barrier that opens with the old shares or with the new ones.
func TestKill_RekeyingToNewSharesLeavesSomeThatOpen(t *testing.T) {
	t.Parallel()
	seed, rounds := setting(t, seedVariable, mathrand.Uint64()), setting(t, roundsVariable, defaultRounds)
	t.Logf("%s=%d", seedVariable, seed)
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			random := mathrand.New(mathrand.NewPCG(seed, uint64(len(engine))))
			dir := prepared(t, engine, "--unseal", "shamir", "--shares", "3", "--threshold", "2")
			shares := make([]string, 3)
			for n := range shares {
				text, err := os.ReadFile(filepath.Join(dir, "shares", fmt.Sprintf("share-%d", n+1)))
				require.NoError(t, err)
				shares[n] = strings.TrimSpace(string(text))
			}
			i := serve(t, dir)
			require.NoError(t, i.unsealWith(t, shares))
			v := newVault(t, i)
			var counted tally
			for round := range rounds {
				var fresh []string
				keep := func(report rekeyReport) {
					if len(report.NewShares) > 0 {
						fresh = report.NewShares
					}
				}
				share := func(text func() string) func() map[string]any {
					return func() map[string]any { return map[string]any{"share": text()} }
				}
				steps := []step{
					{path: "start", body: func() map[string]any { return map[string]any{"mode": "shamir", "shares": 3, "threshold": 2} }},
					{path: "share", body: share(func() string { return shares[0] }), note: keep},
					{path: "share", body: share(func() string { return shares[2] }), note: keep},
					{path: "verify", body: share(func() string { return fresh[1] })},
					{path: "verify", body: share(func() string { return fresh[2] })},
					{path: "commit", body: func() map[string]any { return map[string]any{} }},
				}
				victim := victimStep(random, len(steps))
				p := i.rekeyAmid(t, steps, victim, time.Duration(random.Int64N(int64(stepTakes))))

				i = serve(t, dir)
				err := i.unsealWith(t, shares)
				old := err == nil
				counted.outcome(t, p, old)
				if !old {
					t.Logf("round %d: the old shares: %s", round, err)
					require.Len(t, fresh, 3)
					require.NoError(t, i.unsealWith(t, fresh), "neither the old nor the new shares open the barrier: %+v", p)
					shares = fresh
				}
				v.opens(t, i)
				v.add(t, i, fmt.Sprintf("after-%d", round))
				if old {
					i.endRekeying(t)
				}
			}
			t.Log(counted.String())
			i.stop(t)
		})
	}
}
