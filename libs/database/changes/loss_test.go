package changes_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// TestNote_IsHeardIfItsCommitArrived has a writer that does not learn what became of its commit.
func TestNote_IsHeardIfItsCommitArrived(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lose  func(*dbtest.Fault)
		heard []changes.Change
	}{
		"commit lost": {(*dbtest.Fault).LoseNextCommit, nil},
		"answer lost": {(*dbtest.Fault).LoseNextAnswer, []changes.Change{{Tenant: "a", Kind: "key", ID: "1"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := dbtest.Fresh(t, database.EnginePostgres, sets()...)
			reader := dbtest.Open(t, cfg, sets()...)
			f, r := following(t, reader)
			cfg, fault := dbtest.Faulty(t, cfg)
			writer := dbtest.Open(t, cfg)
			c.lose(fault)
			require.ErrorIs(t, writer.InTx(t.Context(), func(ctx context.Context) error {
				return changes.Note(ctx, writer, "a", "key", "1")
			}), database.ErrOutcomeUnknown)
			note(t, reader, "a", "key", "after") // waits for the lane, so the first one has ended
			require.NoError(t, f.CatchUp(t.Context()))
			assert.Equal(t, append(c.heard, changes.Change{Tenant: "a", Kind: "key", ID: "after"}), r.take())
		})
	}
}

// TestFresh_EndsWhileNoConnectionIsFree has transactions that take every connection, so that the sequence cannot be read.
func TestFresh_EndsWhileNoConnectionIsFree(t *testing.T) {
	t.Parallel()
	cfg := dbtest.Fresh(t, database.EnginePostgres, sets()...)
	cfg.MaxConnections = 1
	db := dbtest.Open(t, cfg, sets()...)
	f := newFollower(t, db, func(c *changes.Config) { c.Bound = 100 * time.Millisecond })
	run(t, f)
	fresh := func() bool { return f.Fresh() == nil }
	require.Eventually(t, fresh, deadline, time.Millisecond)
	require.NoError(t, db.InTx(t.Context(), func(context.Context) error {
		require.Eventually(t, func() bool { return !fresh() }, deadline, time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		require.Error(t, f.CatchUp(ctx), "it ends with its caller's patience")
		return nil
	}))
	require.Eventually(t, fresh, deadline, time.Millisecond)
}
