package faulttest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/auditchain"
)

// isWhole looks at everything when all is over.
func (s *sawn) isWhole(t *testing.T) {
	t.Helper()
	c := s.stubborn(t, s.HTTP)
	c.done(http.MethodPost, "elastic-keys", map[string]any{"name": "at-the-end", "algorithm": "A256GCM/A256KW"})
	assert.Zero(t, s.reads(t, `
		SELECT COUNT(*) FROM elastic_keys e
		WHERE e.version_count <> (SELECT COUNT(*) FROM material_keys m WHERE m.tenant_id = e.tenant_id AND m.elastic_key_id = e.id)
			OR e.version_count <> (SELECT COALESCE(MAX(version), 0) FROM material_keys m WHERE m.tenant_id = e.tenant_id AND m.elastic_key_id = e.id)`), "versions from 1 on, each once")
	assert.Zero(t, s.reads(t, `
		SELECT COUNT(*) FROM elastic_keys e
		WHERE e.primary_version > 0 AND NOT EXISTS (
			SELECT 1 FROM material_keys m WHERE m.tenant_id = e.tenant_id AND m.elastic_key_id = e.id AND m.version = e.primary_version)`), "a primary version")
	assert.Zero(t, s.reads(t, `
		SELECT COUNT(*) FROM material_keys
		WHERE (status IN ('destroyed', 'pending_import')) <> (wrapped_key = '')`), "material is there exactly where the state says so")
	assert.Zero(t, s.reads(t, "SELECT COUNT(*) FROM import_jobs WHERE (status = 'used') <> (version > 0) OR (status <> 'open' AND wrapped_key <> '')"))
	changes := c.trailIsWhole()
	for action, count := range s.stubborn(t, s.other.HTTP).trailIsWhole() {
		changes[action] += count
	}
	// What has happened is in the trail once.
	for action, query := range map[string]string{
		"key.create":  "SELECT COUNT(*) FROM elastic_keys WHERE tenant_id = 'default'",
		"key.rotate":  "SELECT SUM(version_count - 1) FROM elastic_keys WHERE origin = 'generated'",
		"key.delete":  "SELECT COUNT(*) FROM elastic_keys WHERE tenant_id = 'default' AND status = 'deleted'",
		"key.restore": "SELECT COUNT(*) FROM restored_keys",
		"key.import":  "SELECT COUNT(*) FROM import_jobs WHERE status = 'used'",
	} {
		want := s.reads(t, query)
		if action == "key.rotate" { // those that were restored have been rotated in the tenant that they come from
			want -= s.reads(t, "SELECT SUM(o.version_count - 1) FROM restored_keys r JOIN elastic_keys o ON o.tenant_id = 'default' AND o.id = r.elastic_key_id")
		}
		assert.Equal(t, want, changes[action], action)
	}
}

// happenOnce are changes that happen to a version of a key, or to a key, once at most.
var happenOnce = []string{"key.create", "key.rotate", "key.delete", "key.restore", "version.destroy"}

// trailIsWhole proves the tenant's audit trail from an export of it, and counts the changes in it.
func (c stubborn) trailIsWhole() (changes map[string]int) {
	c.t.Helper()
	keys, err := auditchain.ParseKeys(c.done(http.MethodGet, "audit/checkpoint-key", nil).Body)
	require.NoError(c.t, err)
	settled, since := -1, time.Now()
	var export []byte
	c.until("all events have a number", func() bool {
		export = c.done(http.MethodGet, "audit/export", nil).Body
		n := 0
		for line := range strings.Lines(string(export)) {
			if strings.HasPrefix(line, `{"type":"event"`) && !strings.Contains(line, "exportAudit") { // each look makes one of its own
				n++
			}
		}
		if n != settled {
			settled, since = n, time.Now()
		}
		return time.Since(since) > 2500*time.Millisecond // two turns of the sequencer
	})
	result, err := auditchain.Verify(bytes.NewReader(export), auditchain.Options{Keys: keys})
	require.NoError(c.t, err)
	c.t.Logf("the trail is whole: %d events, %d checkpoints", result.Events, result.Checkpoints)
	changes, seen := map[string]int{}, map[string]bool{}
	for line := range strings.Lines(string(export)) {
		var event struct {
			Event struct {
				Action, Outcome string
				Object          struct {
					ID      string
					Version int
				}
			}
		}
		require.NoError(c.t, json.Unmarshal([]byte(line), &event), line)
		e := event.Event
		if e.Outcome != "allowed" {
			continue
		}
		changes[e.Action]++
		if what := fmt.Sprint(e.Action, e.Object.ID, e.Object.Version); slices.Contains(happenOnce, e.Action) {
			assert.False(c.t, seen[what], "%s of %s version %d twice", e.Action, e.Object.ID, e.Object.Version)
			seen[what] = true
		}
	}
	return changes
}
