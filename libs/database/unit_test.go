package database_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

func TestUnit_CommitsAllTransactionsTogether(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		ctx, unit := db.WithUnit(t.Context())
		assert.EqualValues(t, 100, amount(t, ctx, db, "a"), "reads before there is a transaction")
		require.NoError(t, db.InTx(ctx, func(ctx context.Context) error { return set(ctx, db, "a", 1) }))
		require.NoError(t, set(ctx, db, "b", 2), "a statement by itself belongs to the unit")
		assert.EqualValues(t, 1, amount(t, ctx, db, "a"), "the unit reads what it wrote")
		assert.EqualValues(t, 2, amount(t, ctx, db, "b"))
		assert.EqualValues(t, 100, amount(t, t.Context(), db, "a"), "nobody else does yet")

		require.NoError(t, unit.Commit(t.Context(), func(ctx context.Context) error {
			_, err := db.Exec(ctx, "INSERT INTO accounts (id, amount, closed) VALUES ('record', 3, FALSE)")
			return err
		}))
		assert.EqualValues(t, 1, amount(t, t.Context(), db, "a"))
		assert.EqualValues(t, 2, amount(t, t.Context(), db, "b"))
		assert.EqualValues(t, 3, amount(t, t.Context(), db, "record"))
		unit.Rollback() // too late to do anything
		assert.EqualValues(t, 1, amount(t, t.Context(), db, "a"))
	})
}

func TestUnit_RollbackUndoesAll(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		ctx, unit := db.WithUnit(t.Context())
		require.NoError(t, db.InTx(ctx, func(ctx context.Context) error { return set(ctx, db, "a", 1) }))
		unit.Rollback()
		assert.EqualValues(t, 100, amount(t, t.Context(), db, "a"))
		require.NoError(t, set(t.Context(), db, "a", 5), "the connection is free again")
	})
}

func TestUnit_FailedCommitUndoesAll(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		ctx, unit := db.WithUnit(t.Context())
		require.NoError(t, set(ctx, db, "a", 1))
		require.ErrorIs(t, unit.Commit(t.Context(), func(context.Context) error { return errRefused }), errRefused)
		assert.EqualValues(t, 100, amount(t, t.Context(), db, "a"))
		require.ErrorIs(t, unit.Commit(t.Context(), func(context.Context) error { return nil }), database.ErrEnded)
	})
}

func TestUnit_CommitWithoutATransactionBeginsOne(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		_, unit := db.WithUnit(t.Context())
		require.NoError(t, unit.Commit(t.Context(), func(ctx context.Context) error { return set(ctx, db, "a", 1) }))
		assert.EqualValues(t, 1, amount(t, t.Context(), db, "a"))
	})
}

func TestUnit_FailedInTxUndoesItsOwnPartOnly(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		ctx, unit := db.WithUnit(t.Context())
		fail := func(ctx context.Context) error {
			require.NoError(t, set(ctx, db, "a", 66))
			_, err := db.Exec(ctx, "INSERT INTO accounts (id, amount, closed) VALUES ('b', 1, FALSE)")
			return err
		}
		assert.True(t, database.IsUniqueViolation(db.InTx(ctx, fail)), "the first part")
		require.NoError(t, set(ctx, db, "a", 1))
		assert.True(t, database.IsUniqueViolation(db.InTx(ctx, fail)), "a later part")
		assert.EqualValues(t, 1, amount(t, ctx, db, "a"))
		require.NoError(t, unit.Commit(t.Context(), func(ctx context.Context) error { return set(ctx, db, "b", 2) }))
		assert.EqualValues(t, 1, amount(t, t.Context(), db, "a"))
		assert.EqualValues(t, 2, amount(t, t.Context(), db, "b"))
	})
}

func TestUnit_PanicInAPartLeavesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		for _, before := range []bool{false, true} {
			ctx, unit := db.WithUnit(t.Context())
			if before {
				require.NoError(t, set(ctx, db, "b", 1))
			}
			assert.Panics(t, func() {
				_ = db.InTx(ctx, func(ctx context.Context) error {
					require.NoError(t, set(ctx, db, "a", 1))
					panic("boom")
				})
			})
			unit.Rollback()
		}
		assert.EqualValues(t, 100, amount(t, t.Context(), db, "a"))
		assert.EqualValues(t, 100, amount(t, t.Context(), db, "b"))
	})
}

func TestUnit_ContextIsRefusedAfterTheEnd(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		ctx, unit := db.WithUnit(t.Context())
		var inner context.Context
		require.NoError(t, db.InTx(ctx, func(ctx context.Context) error { inner = ctx; return set(ctx, db, "a", 1) }))
		require.ErrorIs(t, set(inner, db, "a", 2), database.ErrEnded, "an InTx that is over, in a unit that is not")
		require.NoError(t, unit.Commit(t.Context(), func(context.Context) error { return nil }))

		require.ErrorIs(t, set(ctx, db, "a", 2), database.ErrEnded)
		var n int
		require.ErrorIs(t, db.QueryRow(ctx, "SELECT amount FROM accounts").Scan(&n), database.ErrEnded)
		assert.EqualValues(t, 1, amount(t, t.Context(), db, "a"))
	})
}

func TestUnit_EndsWithItsContextNotWithAPartsContext(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		whole, cancelWhole := context.WithCancel(t.Context())
		defer cancelWhole()
		ctx, unit := db.WithUnit(whole)
		defer unit.Rollback()
		part, cancelPart := context.WithCancel(ctx)
		require.NoError(t, set(part, db, "a", 1))
		cancelPart()
		require.NoError(t, set(ctx, db, "b", 1), "the unit outlives the context of its part")

		cancelWhole()
		require.ErrorIs(t, unit.Commit(t.Context(), func(context.Context) error { return nil }), context.Canceled)
		assert.EqualValues(t, 100, amount(t, t.Context(), db, "a"))
	})
}

func TestUnit_FailedReadBetweenPartsDoomsTheUnitOnBothEngines(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		ctx, unit := db.WithUnit(t.Context())
		require.NoError(t, set(ctx, db, "a", 1))
		var n int
		require.Error(t, db.QueryRow(ctx, "SELECT nothing FROM accounts").Scan(&n))
		require.ErrorContains(t, unit.Commit(t.Context(), func(context.Context) error { return nil }), "not committed")
		assert.EqualValues(t, 100, amount(t, t.Context(), db, "a"))
	})
}

func TestUnit_IndependentOnlyWhileNoTransactionIsOpen(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		ctx, unit := db.WithUnit(t.Context())
		free, err := db.Independent(ctx)
		require.NoError(t, err)
		require.NoError(t, set(free, db, "b", 7))
		require.NoError(t, set(ctx, db, "a", 1))
		_, err = db.Independent(ctx)
		require.ErrorIs(t, err, database.ErrInTransaction)
		unit.Rollback()
		assert.EqualValues(t, 7, amount(t, t.Context(), db, "b"), "what was independent stays")
		assert.EqualValues(t, 100, amount(t, t.Context(), db, "a"))
	})
}

func TestUnit_IsRefusedInsideATransaction(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
			ctx, unit := db.WithUnit(ctx)
			defer unit.Rollback()
			require.ErrorIs(t, set(ctx, db, "a", 1), database.ErrInTransaction)
			return nil
		}))
	})
}
