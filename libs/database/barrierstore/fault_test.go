package barrierstore_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/barrierstore"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// The connection is lost while a rekeying commits. The operator hears that nobody knows, and the status tells which material is in force.
func TestCommitRekey_TheConnectionIsLost(t *testing.T) {
	t.Parallel()
	for name, committed := range map[string]bool{"before": false, "after": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, fault := dbtest.Faulty(t, dbtest.Fresh(t, database.EnginePostgres, database.PlatformMigrations()))
			store, err := barrierstore.New(dbtest.Open(t, cfg, database.PlatformMigrations()))
			require.NoError(t, err)
			r := newReplica(t, store, derive(1))
			require.NoError(t, r.start(t))
			_, err = r.StartRekey(t.Context(), unseal.RekeyRequest{Material: derive(2)})
			require.NoError(t, err)
			_, err = r.VerifyRekey(t.Context(), "")
			require.NoError(t, err)
			if committed {
				fault.LoseNextAnswer()
			} else {
				fault.LoseNextCommit()
			}
			_, err = r.CommitRekey(t.Context())
			require.ErrorIs(t, err, database.ErrOutcomeUnknown)

			status, err := r.RekeyStatus(t.Context())
			require.NoError(t, err)
			if !committed {
				assert.Equal(t, unseal.RekeyVerified, status.State)
				require.NoError(t, newReplica(t, store, derive(1)).start(t))
				_, err = r.CommitRekey(t.Context())
				require.NoError(t, err)
			} else {
				assert.Equal(t, unseal.RekeyNone, status.State)
				_, err = r.CommitRekey(t.Context())
				require.ErrorIs(t, err, unseal.ErrNoRekey)
			}
			require.NoError(t, newReplica(t, store, derive(2)).start(t))
			require.Error(t, newReplica(t, store, derive(1)).start(t))
		})
	}
}
