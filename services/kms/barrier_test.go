package kms_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// Each level of the barrier's hierarchy turns while the service works; values move under the newest keys; nothing is lost, also not by a
// restart.
func TestBarrier_TurnsAtEachLevelAndValuesFollow(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg, files := prepare(t, engine)
			s := run(t, cfg, files)
			token := s.operator(t)
			h := newHolding(t, s, "default", token)
			for _, body := range []string{
				`{"level":"content","tenant":"default"}`, `{"level":"intermediate","tenant":"default"}`, `{"level":"root"}`, `{"level":"content"}`,
			} {
				got := s.admin(t, http.MethodPost, "barrier/rotate", body)
				require.Equal(t, http.StatusOK, got.status, "%s: %s", body, got.body)
				s.post(t, token, "elastic-keys/"+h.secret+"/decrypt", map[string]any{"ciphertext": h.ciphertext})
				s.post(t, token, "elastic-keys/"+h.secret+"/rotate", nil)
			}
			var report struct {
				Finished bool `json:"finished"`
				Sources  []struct {
					Source                     string
					Scanned, Rewrapped, Failed int
				}
			}
			got := s.admin(t, http.MethodPost, "barrier/rewrap", `{"retire":true}`)
			require.Equal(t, http.StatusOK, got.status, "%s", got.body)
			require.Eventually(t, func() bool {
				got = s.admin(t, http.MethodGet, "barrier/rewrap", "")
				return got.status == http.StatusOK && json.Unmarshal(got.body, &report) == nil && report.Finished
			}, 20*time.Second, 10*time.Millisecond, "%s", got.body)
			moved := map[string]int{}
			for _, source := range report.Sources {
				moved[source.Source] = source.Rewrapped
				assert.Zero(t, source.Failed, source.Source)
			}
			assert.GreaterOrEqual(t, moved["kms/material-keys"], 3, "%s", got.body)
			s.post(t, token, "elastic-keys/"+h.secret+"/decrypt", map[string]any{"ciphertext": h.ciphertext})
			s.stop()

			s = run(t, cfg, files)
			s.post(t, token, "elastic-keys/"+h.secret+"/decrypt", map[string]any{"ciphertext": h.ciphertext})
			assert.Equal(t, true, s.post(t, token, "elastic-keys/"+h.signer+"/verify", map[string]any{"signature": h.jws}).object(t)["valid"])
		})
	}
}
