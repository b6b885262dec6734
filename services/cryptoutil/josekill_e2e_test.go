//go:build e2e

package cryptoutil_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

const (
	// joseRoundsVariable is how often the JWK Authority is killed on each engine.
	joseRoundsVariable = "CRYPTOUTIL_E2E_JOSE_ROUNDS"
	defaultJOSERounds  = 3
	joseLivers         = 12
	joseTellers        = 4
	joseSample         = 15 // tokens of each kind that a teller looks at after a kill
)

// Whenever the JWK Authority dies amid generation, import, rotation, disabling and destruction of keys, and amid revocations: a key is as it was
// before the change that was under way, or as it is after it; the same request with the same Idempotency-Key makes it the latter, once; the public
// key set fits; what was signed and issued verifies, what was revoked does not; and the audit trail is whole.
func TestKill_AmidTheLifeOfJOSEKeys(t *testing.T) {
	t.Parallel()
	seed, rounds := setting(t, seedVariable, rand.Uint64()), setting(t, joseRoundsVariable, defaultJOSERounds)
	t.Logf("%s=%d", seedVariable, seed)
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, uint64(len(engine))))
			s := besiegeProduct(t, joseProduct, engine, "\nkeys:\n  set_lifetime: 100h\n")
			i, _ := s.service()
			livers, tellers := make([]*joseLiver, joseLivers), make([]*joseTeller, joseTellers)
			for n := range livers {
				livers[n] = newJOSELiver(t, fmt.Sprintf("life-%d", n))
			}
			for n := range tellers {
				tellers[n] = newJOSETeller(t, i.landlord(t), fmt.Sprintf("teller-%d", n))
			}
			unanswered, cut, made := 0, 0, 0
			for range rounds {
				i, _ = s.service()
				a := i.landlord(t)
				var working sync.WaitGroup
				for n, l := range livers {
					own := rand.New(rand.NewPCG(seed^random.Uint64(), uint64(n)))
					working.Go(func() { l.work(t, a, own) })
				}
				for n, l := range tellers {
					own := rand.New(rand.NewPCG(seed^random.Uint64(), uint64(n)))
					working.Go(func() { l.work(t, a, own) })
				}
				most := []time.Duration{lifeMoment / 4, lifeMoment}[random.IntN(2)]
				time.Sleep(time.Duration(random.Int64N(int64(most)))) //nolint:forbidigo // the moment of the end
				s.kill(t, func(ctx context.Context, db *database.DB) { joseIsWhole(ctx, t, db) })
				working.Wait()
				s.trailIsWhole(t)
				i, _ = s.service()
				a = i.landlord(t)
				for _, l := range livers {
					made += l.answered
					if l.pending != nil {
						unanswered++
					}
					l.compare(t, i, a)
				}
				for _, l := range tellers {
					if l.pending != "" {
						cut++
					}
					l.compare(t, a, joseSample)
				}
				require.False(t, t.Failed())
			}
			good, revoked := 0, 0
			for _, l := range tellers {
				l.pending = ""
				l.compare(t, i.landlord(t), -1)
				good, revoked = good+len(l.good), revoked+len(l.revoked)
			}
			t.Logf("killed %d times; of keys %d changes acknowledged, %d without an answer; %d tokens accepted, %d refused, of them %d by a revocation without an answer",
				rounds, made, unanswered, good, revoked, cut)
			s.joseHappenedOnce(t)
		})
	}
}

// joseIsWhole looks at what a kill has left in the database.
func joseIsWhole(ctx context.Context, t *testing.T, db *database.DB) {
	t.Helper()
	for what, query := range map[string]string{
		"versions are numbered from 1 on, each number once": `
			SELECT COUNT(*) FROM jose_keys k
			WHERE k.version_count <> (SELECT COUNT(*) FROM jose_key_versions v WHERE v.tenant_id = k.tenant_id AND v.key_id = k.id)
				OR k.version_count <> (SELECT COALESCE(MAX(version), 0) FROM jose_key_versions v WHERE v.tenant_id = k.tenant_id AND v.key_id = k.id)`,
		"material is where the state says so, and nowhere else": `
			SELECT COUNT(*) FROM jose_key_versions WHERE (status = 'destroyed') <> (wrapped_key = '')`,
		"a destroyed key has no material and no name": `
			SELECT COUNT(*) FROM jose_keys k
			WHERE k.status = 'destroyed' AND (k.name <> k.id
				OR EXISTS (SELECT 1 FROM jose_key_versions v WHERE v.tenant_id = k.tenant_id AND v.key_id = k.id AND v.status <> 'destroyed'))`,
		"every other key has one version in use": `
			SELECT COUNT(*) FROM jose_keys k
			WHERE k.status <> 'destroyed'
				AND 1 <> (SELECT COUNT(*) FROM jose_key_versions v WHERE v.tenant_id = k.tenant_id AND v.key_id = k.id AND v.status = 'active')`,
		"at most one waits, and it is the newest": `
			SELECT COUNT(*) FROM jose_key_versions v JOIN jose_keys k ON k.tenant_id = v.tenant_id AND k.id = v.key_id
			WHERE v.status = 'pending' AND v.version <> k.version_count`,
		"whoever retires, or will, is in the set for its time": `
			SELECT COUNT(*) FROM jose_key_versions v
			WHERE v.status = 'retired' AND v.retire_at = 0 OR v.retire_at > 0 AND v.published_until <= v.retire_at`,
	} {
		n := -1
		require.NoError(t, db.QueryRow(ctx, query).Scan(&n), what)
		assert.Zero(t, n, what)
	}
}

// joseHappenedOnce compares the audit trail with what is there, stops the service, and counts in the database.
func (s *siege) joseHappenedOnce(t *testing.T) {
	t.Helper()
	i, _ := s.service()
	counts := i.happened(t, "key.create", "key.import", "key.rotate", "key.destroy", "version.destroy")
	i.stop(t)
	inDatabase(t, s.data, func(ctx context.Context, db *database.DB) error {
		for action, query := range map[string]string{
			"key.create":   "SELECT COUNT(*) FROM jose_key_versions WHERE version = 1 AND origin = 'generated'",
			"key.import":   "SELECT COUNT(*) FROM jose_key_versions WHERE version = 1 AND origin = 'imported'",
			"key.rotate":   "SELECT SUM(version_count - 1) FROM jose_keys",
			"key.destroy":  "SELECT COUNT(*) FROM jose_keys WHERE status = 'destroyed'",
			"token.revoke": "SELECT COUNT(*) FROM jose_revocations",
		} {
			n := 0
			if err := db.QueryRow(ctx, query).Scan(&n); err != nil {
				return err
			}
			assert.Equal(t, n, counts[action], action)
		}
		return nil
	})
	t.Logf("in the audit trail, and in the database: %d keys made, %d imported, %d versions added, %d destroyed, %d keys destroyed, %d tokens revoked",
		counts["key.create"], counts["key.import"], counts["key.rotate"], counts["version.destroy"], counts["key.destroy"], counts["token.revoke"])
}
