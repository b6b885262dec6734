//go:build e2e

package cryptoutil_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

// happenedOnce compares the audit trail with what is there, stops the service, and counts in the database.
func (s *siege) happenedOnce(t *testing.T) {
	t.Helper()
	i, _ := s.service()
	counts := i.happened(t, "key.create", "key.rotate", "key.delete", "version.destroy")
	i.stop(t)
	inDatabase(t, s.data, func(ctx context.Context, db *database.DB) error {
		for action, query := range map[string]string{
			"key.create": "SELECT COUNT(*) FROM elastic_keys WHERE id NOT IN (SELECT elastic_key_id FROM restored_keys)",
			"key.rotate": "SELECT SUM(version_count - 1) FROM elastic_keys WHERE origin = 'generated' AND id NOT IN (SELECT elastic_key_id FROM restored_keys)",
			"key.delete": "SELECT COUNT(*) FROM elastic_keys WHERE status = 'deleted'",
			"key.import": "SELECT COUNT(*) FROM import_jobs WHERE status = 'used'",
		} {
			n := 0
			if err := db.QueryRow(ctx, query).Scan(&n); err != nil {
				return err
			}
			assert.Equal(t, n, counts[action], action)
		}
		return nil
	})
	t.Logf("in the audit trail, and in the database: %d keys made, %d versions added, %d imported, %d destroyed, %d keys deleted, %d restored",
		counts["key.create"], counts["key.rotate"], counts["key.import"], counts["version.destroy"], counts["key.delete"], counts["key.restore"])
}

// happened counts what was allowed, by action, in the audit trail, which is verified offline. Of the actions that are named each happens to a key, or to
// a version of it, once at most.
func (i *installation) happened(t *testing.T, once ...string) map[string]int {
	t.Helper()
	i.trailIsWhole(t)
	file, _ := i.exportAudit(t, "counted")
	seen, counts := map[string]bool{}, map[string]int{}
	for _, line := range readLines(t, file) {
		var event struct {
			Event struct {
				Action, Outcome string
				Object          struct {
					ID      string
					Version int
				}
			}
		}
		require.NoError(t, json.Unmarshal([]byte(line), &event), line)
		e := event.Event
		if e.Outcome != "allowed" {
			continue
		}
		counts[e.Action]++
		if what := fmt.Sprintf("%s of %s version %d", e.Action, e.Object.ID, e.Object.Version); slices.Contains(once, e.Action) {
			assert.False(t, seen[what], "%s twice", what)
			seen[what] = true
		}
	}
	return counts
}
