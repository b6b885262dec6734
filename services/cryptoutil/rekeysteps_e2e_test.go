//go:build e2e

package cryptoutil_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

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
	stop := func() bool { return true }
	defer func() { stop() }()
	for n, s := range steps {
		p.commitSent = p.commitSent || s.path == "commit"
		if n == victim {
			stop = time.AfterFunc(moment, func() { _ = i.cmd.Process.Kill() }).Stop
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

// victimStep chooses the step amid which the service dies: the commit as often as all others together.
func victimStep(random *rand.Rand, steps int) int {
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
