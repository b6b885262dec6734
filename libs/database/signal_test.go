package database_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

func TestSignal_IsHeardOnceAfterTheCommitAndOutsideOfIt(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, nil, func(t *testing.T, db *database.DB) {
		ctx := t.Context()
		_, err := db.Exec(ctx, "CREATE TABLE things (id BIGINT PRIMARY KEY)")
		require.NoError(t, err)
		var heard, seen atomic.Int64
		stop := db.OnSignal(func(ctx context.Context) {
			heard.Add(1)
			var n int64
			assert.NoError(t, db.QueryRow(ctx, "SELECT count(*) FROM things").Scan(&n))
			seen.Store(n)
		})
		change := func(ctx context.Context, id int) error {
			return db.InTx(ctx, func(ctx context.Context) error {
				_, err := db.Exec(ctx, "INSERT INTO things (id) VALUES ($1)", int64(id))
				return errors.Join(err, db.Signal(ctx), db.Signal(ctx))
			})
		}
		require.NoError(t, change(ctx, 1))
		assert.EqualValues(t, 1, heard.Load())
		assert.EqualValues(t, 1, seen.Load(), "the change is committed by then")

		require.Error(t, change(ctx, 1), "the id is taken")
		assert.EqualValues(t, 1, heard.Load(), "what was rolled back is not told")

		unitCtx, unit := db.WithUnit(ctx)
		require.NoError(t, change(unitCtx, 2))
		require.NoError(t, change(unitCtx, 3))
		assert.EqualValues(t, 1, heard.Load(), "not before the unit's commit")
		require.NoError(t, unit.Commit(unitCtx, func(context.Context) error { return nil }))
		assert.EqualValues(t, 2, heard.Load())
		assert.EqualValues(t, 3, seen.Load())

		canceled, cancel := context.WithCancel(ctx)
		require.NoError(t, db.InTx(canceled, func(ctx context.Context) error {
			return errors.Join(db.Signal(ctx), change(ctx, 4))
		}))
		cancel()
		assert.EqualValues(t, 4, seen.Load())
		require.ErrorIs(t, db.Signal(ctx), database.ErrEnded)

		stop()
		before := heard.Load()
		require.NoError(t, change(ctx, 5))
		assert.Equal(t, before, heard.Load())
	})
}
