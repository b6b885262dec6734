//go:build e2e

package cryptoutil_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

const (
	// stormRoundsVariable is how often the service is killed amid imports, ends and restores on each engine.
	stormRoundsVariable = "CRYPTOUTIL_E2E_STORM_ROUNDS"
	defaultStormRounds  = 6
)

// Whenever the service dies amid imports, destructions, deletions and restores: each is there whole or not at all, a retry with the same
// Idempotency-Key does nothing twice, what was acknowledged stays, what is destroyed is gone, and the audit trail is whole.
func TestKill_AmidImportsEndsAndRestores(t *testing.T) {
	t.Parallel()
	seed, rounds := setting(t, seedVariable, rand.Uint64()), setting(t, stormRoundsVariable, defaultStormRounds)
	t.Logf("%s=%d", seedVariable, seed)
	source := newSource(t)
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := besiege(t, engine)
			people := s.people(t)
			s.storm(t, rand.New(rand.NewPCG(seed, uint64(len(engine)))), rounds, func(ctx context.Context, db *database.DB) { isWhole(ctx, t, db) }, map[string]func(t *testing.T){
				"rotations": s.rotates,
				"imports":   s.imports,
				"early":     func(t *testing.T) { s.endsEarly(t, people) },
				"due":       s.endsDue,
				"tenant":    func(t *testing.T) { s.restoresTenant(t, source) },
				"keys":      func(t *testing.T) { s.restoresKeys(t, source) },
			})
			s.happenedOnce(t)
		})
	}
}

// isWhole looks at what a kill has left in the database.
func isWhole(ctx context.Context, t *testing.T, db *database.DB) {
	t.Helper()
	for what, query := range map[string]string{
		"versions are numbered from 1 on, each number once": `
			SELECT COUNT(*) FROM elastic_keys e
			WHERE e.version_count <> (SELECT COUNT(*) FROM material_keys m WHERE m.tenant_id = e.tenant_id AND m.elastic_key_id = e.id)
				OR e.version_count <> (SELECT COALESCE(MAX(version), 0) FROM material_keys m WHERE m.tenant_id = e.tenant_id AND m.elastic_key_id = e.id)`,
		"a key has its primary version": `
			SELECT COUNT(*) FROM elastic_keys e
			WHERE e.primary_version > 0 AND NOT EXISTS (
				SELECT 1 FROM material_keys m WHERE m.tenant_id = e.tenant_id AND m.elastic_key_id = e.id AND m.version = e.primary_version)`,
		"material is where the state says so, and nowhere else": `
			SELECT COUNT(*) FROM material_keys WHERE (status IN ('destroyed', 'pending_import')) <> (wrapped_key = '')`,
		"a deleted key has no material, no name, and no tag": `
			SELECT COUNT(*) FROM elastic_keys e
			WHERE e.status = 'deleted' AND (e.name <> e.id
				OR EXISTS (SELECT 1 FROM material_keys m WHERE m.tenant_id = e.tenant_id AND m.elastic_key_id = e.id AND m.wrapped_key <> '')
				OR EXISTS (SELECT 1 FROM key_names n WHERE n.tenant_id = e.tenant_id AND n.elastic_key_id = e.id)
				OR EXISTS (SELECT 1 FROM key_tags g WHERE g.tenant_id = e.tenant_id AND g.elastic_key_id = e.id))`,
		"every other key has its name": `
			SELECT COUNT(*) FROM elastic_keys e
			WHERE e.status <> 'deleted' AND NOT EXISTS (
				SELECT 1 FROM key_names n WHERE n.tenant_id = e.tenant_id AND n.name = e.name AND n.elastic_key_id = e.id AND NOT n.alias)`,
		"a used job has made its version, and no other has": `
			SELECT COUNT(*) FROM import_jobs j
			WHERE (j.status = 'used') <> (j.version > 0) OR j.status <> 'open' AND j.wrapped_key <> ''
				OR j.version > (SELECT version_count FROM elastic_keys e WHERE e.tenant_id = j.tenant_id AND e.id = j.elastic_key_id)`,
		"each imported version has the job that made it": `
			SELECT COUNT(*) FROM material_keys m
			WHERE m.origin = 'imported' AND NOT EXISTS (
				SELECT 1 FROM import_jobs j WHERE j.tenant_id = m.tenant_id AND j.elastic_key_id = m.elastic_key_id AND j.version = m.version AND j.status = 'used')`,
		"an early end has used its approval, and an approval that was used has had its end": `
			SELECT COUNT(*) FROM approval_requests a
			JOIN elastic_keys e ON e.tenant_id = a.tenant_id AND e.id = a.resource
			WHERE a.operation = 'deleteElasticKey' AND (a.state = 'used') <> (e.status = 'deleted')`,
		"and so has the end of a version": `
			SELECT COUNT(*) FROM approval_requests a
			JOIN material_keys m ON m.tenant_id = a.tenant_id AND m.elastic_key_id = a.resource AND m.version = 1
			WHERE a.operation = 'destroyMaterialKey' AND (a.state = 'used') <> (m.status = 'destroyed')`,
	} {
		n := -1
		require.NoError(t, db.QueryRow(ctx, query).Scan(&n), what)
		assert.Zero(t, n, what)
	}
}

// rotates adds versions, each of which has the number after the one before.
func (s *siege) rotates(t *testing.T) {
	c := s.landlord(t)
	messages := map[string]int{}
	key := c.done(http.MethodPost, "elastic-keys", map[string]any{"name": "turning", "algorithm": "A256GCM/A256KW"}).text("id")
	for version := 2; !s.ended() && !t.Failed(); version++ {
		assert.Equal(t, version, c.done(http.MethodPost, "elastic-keys/"+key+"/rotate", nil).number("version"), "the version after the one before")
		made := c.done(http.MethodPost, "elastic-keys/"+key+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
		if assert.Equal(t, version, made.number("version")) && version%5 == 0 {
			messages[made.text("ciphertext")] = version
		}
		time.Sleep(tick) //nolint:forbidigo // the others want to work, too
		other := fmt.Sprintf("made-%d", version)
		c.done(http.MethodPost, "elastic-keys", map[string]any{"name": other, "algorithm": "A256GCM/A256KW"})
		c.refused("conflict", "elastic-keys", map[string]any{"name": other, "algorithm": "A256GCM/A256KW"})
	}
	for message, version := range messages {
		opened := c.done(http.MethodPost, "elastic-keys/"+key+"/decrypt", map[string]any{"ciphertext": message})
		assert.Equal(t, "aGVsbG8", opened.text("plaintext"))
		assert.Equal(t, version, opened.number("version"))
	}
}
