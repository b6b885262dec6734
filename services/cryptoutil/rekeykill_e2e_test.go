//go:build e2e

package cryptoutil_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// stepTakes is about how long a step of a rekeying takes: the kill comes within it.
const stepTakes = 12 * time.Millisecond

// rekeyReport is what the service says of a rekeying.
type rekeyReport struct {
	State     string   `json:"state"`
	NewShares []string `json:"new_shares"`
}

// How far a rekeying had come when the service died, as far as its operator knows.
type progress struct {
	staged     bool // the new material is known to be there
	commitSent bool
	committed  bool // and that was acknowledged
}

// step is one order of a rekeying. note keeps what the answer says.
type step struct {
	path string
	body func() map[string]any
	note func(report rekeyReport)
}

// rekeyAmid works through the steps and kills the service at a moment of one of them, or after the last.
func (i *installation) rekeyAmid(t *testing.T, steps []step, victim int, moment time.Duration) (p progress) {
	t.Helper()
	a := i.administration(t)
	for n, s := range steps {
		p.commitSent = p.commitSent || s.path == "commit"
		if n == victim {
			timer := time.AfterFunc(moment, func() { _ = i.cmd.Process.Kill() })
			defer timer.Stop()
		}
		var report rekeyReport
		answer, err := a.do(context.WithoutCancel(t.Context()), http.MethodPost, "barrier/rekey/"+s.path, s.body(), &report)
		if err != nil {
			require.GreaterOrEqual(t, n, victim, "%s: %s", s.path, err)
			break
		}
		require.Equal(t, http.StatusOK, answer.status, "%s: %s", s.path, answer.body)
		p.staged = p.staged || report.State == "staged" || report.State == "verified"
		p.committed = p.committed || s.path == "commit"
		if s.note != nil {
			s.note(report)
		}
	}
	i.kill()
	return p
}

// tally counts what kills left.
type tally struct{ before, old, renewed, committed int }

func (c tally) String() string {
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
					{path: "verify", body: empty}, {path: "commit", body: empty},
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
			t.Log(counted)
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
			t.Log(counted)
			i.stop(t)
		})
	}
}

// victimStep chooses the step amid which the service dies: the commit as often as all others together.
func victimStep(random *mathrand.Rand, steps int) int {
	if random.IntN(2) == 0 {
		return steps - 1
	}
	return random.IntN(steps - 1)
}

// endRekeying cancels what a kill has left of a rekeying.
func (i *installation) endRekeying(t *testing.T) {
	t.Helper()
	var report rekeyReport
	i.orders(t, http.MethodGet, "barrier/rekey", nil, &report)
	if report.State == "none" {
		return
	}
	i.orders(t, http.MethodPost, "barrier/rekey/cancel", map[string]any{}, &report)
}

func fileURL(path string) string { return (&url.URL{Scheme: "file", Path: path}).String() }

// setSecret names the unseal secret in kms.yaml.
func setSecret(t *testing.T, dir, file string) {
	t.Helper()
	replaceInFile(t, filepath.Join(dir, "kms.yaml"), regexp.MustCompile(`(?m)(^unseal:\n  mode: derive\n  secret: )\S+`), "${1}"+fmt.Sprintf("%q", fileURL(file)))
}

// attempts starts kms-server and returns why it does not open its barrier, if it does not; then nothing runs.
func attempts(t *testing.T, dir string) (*installation, error) {
	t.Helper()
	p := launch(t, call{path: program(t, kmsServer), args: []string{
		"start", "--config", filepath.Join(dir, "kms.yaml"), "--public-address", "127.0.0.1:0", "--mtls-address", "127.0.0.1:0", "--admin-address", "127.0.0.1:0",
	}, env: environment(t.TempDir())})
	serving := make(chan struct{})
	go func() {
		defer close(serving)
		for {
			text, more := p.stdout.read()
			if strings.Contains(text, "root certificate") {
				return
			}
			select {
			case <-more:
			case <-p.ended:
				return
			}
		}
	}()
	select {
	case <-serving:
	case <-time.After(patience):
		require.Fail(t, "the service neither serves nor ends", "%s%s", p.stdout, p.stderr)
	}
	if !strings.Contains(p.stdout.String(), "root certificate") {
		<-p.ended
		return nil, errors.New(strings.TrimSpace(p.stderr.String()))
	}
	i := started(t, p, dir, "root certificate", serverWords)
	var report struct {
		Sealed bool `json:"sealed"`
	}
	i.orders(t, http.MethodGet, "barrier", nil, &report)
	if report.Sealed {
		i.kill()
		return nil, errors.New("it stays sealed")
	}
	return i, nil
}

// unsealWith submits two shares and returns why they do not open the barrier.
func (i *installation) unsealWith(t *testing.T, shares []string) error {
	t.Helper()
	a := i.administration(t)
	sealed := struct {
		Sealed bool `json:"sealed"`
	}{true}
	for n := range 2 {
		answer, err := a.do(t.Context(), http.MethodPost, "unseal", map[string]string{"share": shares[n]}, &sealed)
		require.NoError(t, err)
		if answer.status != http.StatusOK {
			return errors.New(string(answer.body))
		}
	}
	if sealed.Sealed {
		return errors.New("it stays sealed")
	}
	return nil
}
