package sealtest_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// Each level of the barrier's hierarchy turns while the service works; values move under the newest keys; nothing is lost, also not by a
// restart.
func TestBarrier_TurnsAtEachLevelAndValuesFollow(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg, files := kmstest.Prepare(t, engine)
			s := kmstest.Run(t, cfg, files)
			token := s.Operator(t)
			h := kmstest.NewHolding(t, s, "default", token)
			for _, body := range []string{
				`{"level":"content","tenant":"default"}`, `{"level":"intermediate","tenant":"default"}`, `{"level":"root"}`, `{"level":"content"}`,
			} {
				got := s.Admin(t, http.MethodPost, "barrier/rotate", body)
				require.Equal(t, http.StatusOK, got.Status, "%s: %s", body, got.Body)
				s.Post(t, token, "elastic-keys/"+h.Secret+"/decrypt", map[string]any{"ciphertext": h.Ciphertext})
				s.Post(t, token, "elastic-keys/"+h.Secret+"/rotate", nil)
			}
			var report struct {
				Finished bool `json:"finished"`
				Sources  []struct {
					Source                     string
					Scanned, Rewrapped, Failed int
				}
			}
			got := s.Admin(t, http.MethodPost, "barrier/rewrap", `{"retire":true}`)
			require.Equal(t, http.StatusOK, got.Status, "%s", got.Body)
			require.Eventually(t, func() bool {
				got = s.Admin(t, http.MethodGet, "barrier/rewrap", "")
				return got.Status == http.StatusOK && json.Unmarshal(got.Body, &report) == nil && report.Finished
			}, 20*time.Second, 10*time.Millisecond, "%s", got.Body)
			moved := map[string]int{}
			for _, source := range report.Sources {
				moved[source.Source] = source.Rewrapped
				assert.Zero(t, source.Failed, source.Source)
			}
			assert.GreaterOrEqual(t, moved["kms/material-keys"], 3, "%s", got.Body)
			s.Post(t, token, "elastic-keys/"+h.Secret+"/decrypt", map[string]any{"ciphertext": h.Ciphertext})
			s.Stop()

			s = kmstest.Run(t, cfg, files)
			s.Post(t, token, "elastic-keys/"+h.Secret+"/decrypt", map[string]any{"ciphertext": h.Ciphertext})
			assert.Equal(t, true, s.Post(t, token, "elastic-keys/"+h.Signer+"/verify", map[string]any{"signature": h.JWS}).Object(t)["valid"])
		})
	}
}
