package faulttest_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// Somebody with the database who makes a compromised version good again, or takes a quorum away, is found out at the next reading of the row, on
// every replica: the caller is refused, the log names the row, and the audit trail has it.
func TestIntegrity_AChangedRowIsRefusedLoggedAndAudited(t *testing.T) {
	t.Parallel()
	kmstest.EachAdministered(t, func(t *testing.T, s, other *kmstest.Service) {
		db, err := database.Open(t.Context(), s.Config.Database, dbtest.Options(t))
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, db.Close()) })
		marked, guarded := s.Made(t, "marked", nil), s.Made(t, "guarded", map[string]any{
			"policy": map[string]any{"quorum": map[string]any{"approvals": 1, "approvers": []string{"somebody"}}},
		})
		s.Post(t, "", "elastic-keys/"+marked+"/rotate", nil)
		s.Post(t, "", "elastic-keys/"+marked+"/material-keys/1/mark-compromised", nil)
		require.NoError(t, db.InTx(database.WithTenant(t.Context(), "default"), func(ctx context.Context) error {
			_, first := db.Exec(ctx, `UPDATE material_keys SET status = 'enabled' WHERE elastic_key_id = $1 AND version = 1`, marked)
			_, second := db.Exec(ctx, `UPDATE elastic_keys SET policy = '{}' WHERE id = $1`, guarded)
			return errors.Join(first, second, changes.Note(ctx, db, "default", "kms/key", marked), changes.Note(ctx, db, "default", "kms/key", guarded))
		}))
		for _, replica := range []*kmstest.Service{s, other} {
			for path, method := range map[string]string{
				"elastic-keys/" + marked + "/material-keys/1":             http.MethodGet,
				"elastic-keys/" + marked + "/material-keys":               http.MethodGet,
				"elastic-keys/" + marked + "/material-keys/1/set-primary": http.MethodPost,
				"elastic-keys/" + guarded:                                 http.MethodGet,
				"elastic-keys/guarded":                                    http.MethodGet,
				"elastic-keys/" + guarded + "/rotate":                     http.MethodPost,
				"elastic-keys/" + guarded + "/schedule-deletion":          http.MethodPost,
			} {
				got, err := replica.Exchange(replica.Request(t, "", method, path, nil))
				require.NoError(t, err)
				require.Equal(t, http.StatusInternalServerError, got.Status, "%s: %s", path, got.Body)
				assert.Equal(t, "integrity_failed", got.Member(t, "code"), path)
				assert.NotContains(t, got.Member(t, "detail"), marked)
			}
			kmstest.Becomes(t, http.StatusInternalServerError, "the cached row is dropped", func() kmstest.Answer {
				got, err := replica.Exchange(replica.Request(t, "", http.MethodPost, "elastic-keys/"+guarded+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}))
				require.NoError(t, err)
				return got
			})
			assert.Equal(t, http.StatusOK, replica.Ask(t, http.MethodPost, "elastic-keys/"+marked+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}).Status, "version 2 is as it was")
			assert.Contains(t, replica.Logs.String(), "was changed in the database by somebody else")
			assert.Contains(t, replica.Logs.String(), guarded)
		}
		require.Eventually(t, func() bool {
			seen := map[string]bool{}
			for _, event := range s.Ask(t, http.MethodGet, "audit/events?limit=1000&action=key.integrity-failed", nil).Items(t) {
				text := strings.ToLower(kmstest.AsText(t, kmstest.Ask{Path: "", Body: event}))
				for _, key := range []string{marked, guarded} {
					seen[key] = seen[key] || strings.Contains(text, key)
				}
			}
			return seen[marked] && seen[guarded]
		}, 10*time.Second, 50*time.Millisecond, "the audit trail has it")
	})
}
