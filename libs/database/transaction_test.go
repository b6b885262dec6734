package database_test

import (
	"context"
	"database/sql"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// each runs test on both engines with the accounts table.
func each(t *testing.T, test func(t *testing.T, db *database.DB)) {
	t.Helper()
	dbtest.Each(t, []database.Set{accounts()}, test)
}

func TestInTx_CommitsWhenFnSucceeds(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
			if err := set(ctx, db, "a", 1); err != nil {
				return err
			}
			assert.EqualValues(t, 1, amount(t, ctx, db, "a"), "seen inside")
			assert.EqualValues(t, 100, amount(t, t.Context(), db, "a"), "not yet seen outside")
			return nil
		}))
		assert.EqualValues(t, 1, amount(t, t.Context(), db, "a"))
	})
}

func TestInTx_RollsBackOnErrorAndPanic(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			require.NoError(t, set(ctx, db, "a", 1))
			return errRefused
		})
		require.ErrorIs(t, err, errRefused)
		assert.PanicsWithValue(t, "boom", func() {
			_ = db.InTx(t.Context(), func(ctx context.Context) error {
				require.NoError(t, set(ctx, db, "a", 2))
				panic("boom")
			})
		})
		assert.EqualValues(t, 100, amount(t, t.Context(), db, "a"))
		require.NoError(t, set(t.Context(), db, "a", 3), "the connection is free again")
	})
}

func TestInTx_NestedJoins(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			require.NoError(t, db.InTx(ctx, func(ctx context.Context) error { return set(ctx, db, "a", 1) }))
			return errRefused
		})
		require.ErrorIs(t, err, errRefused)
		assert.EqualValues(t, 100, amount(t, t.Context(), db, "a"), "the inner one did not commit by itself")

		err = db.InTx(t.Context(), func(ctx context.Context) error {
			require.NoError(t, set(ctx, db, "a", 1))
			_ = db.InTx(ctx, func(context.Context) error { return errRefused })
			return nil
		})
		require.ErrorIs(t, err, errRefused, "a failed part is not committed, though the outer function ignored it")
		assert.EqualValues(t, 100, amount(t, t.Context(), db, "a"))
	})
}

func TestInTx_FailedStatementDoomsTheTransactionOnBothEngines(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			require.NoError(t, set(ctx, db, "a", 1))
			_, err := db.Exec(ctx, "INSERT INTO accounts (id, amount, closed) VALUES ('b', 1, FALSE)")
			assert.True(t, database.IsUniqueViolation(err), "%v", err)
			return nil
		})
		assert.True(t, database.IsUniqueViolation(err), "%v", err)
		assert.EqualValues(t, 100, amount(t, t.Context(), db, "a"))
	})
}

func TestInTx_InterruptedStatementLeavesNothingAndIsFollowedByNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		// SQLite rolls the transaction back here and would commit each later statement by itself.
		endless := `INSERT INTO accounts (id, amount, closed) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
			SELECT 'endless ' || CAST(i AS TEXT), i, FALSE FROM n`
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			require.NoError(t, set(ctx, db, "a", 1))
			short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			defer cancel()
			_, err := db.Exec(short, endless)
			require.Error(t, err)
			require.Error(t, set(ctx, db, "b", 2))
			var n int
			require.Error(t, db.QueryRow(ctx, "SELECT amount FROM accounts WHERE id = 'a'").Scan(&n))
			require.Error(t, db.InTx(ctx, func(context.Context) error { return nil }))
			return nil
		})
		require.Error(t, err)
		assert.EqualValues(t, 100, amount(t, t.Context(), db, "a"))
		assert.EqualValues(t, 100, amount(t, t.Context(), db, "b"))

		ctx, unit := db.WithUnit(t.Context())
		require.NoError(t, set(ctx, db, "a", 1))
		short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		_, err = db.Exec(short, endless)
		require.Error(t, err)
		require.Error(t, set(ctx, db, "b", 2), "the first part is lost, so nothing may follow")
		require.Error(t, unit.Commit(t.Context(), func(ctx context.Context) error { return set(ctx, db, "b", 3) }))
		assert.EqualValues(t, 100, amount(t, t.Context(), db, "a"))
		assert.EqualValues(t, 100, amount(t, t.Context(), db, "b"))
	})
}

func TestInTx_NoRowsIsNoFailure(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
			var n int
			require.ErrorIs(t, db.QueryRow(ctx, "SELECT amount FROM accounts WHERE id = $1", "z").Scan(&n), sql.ErrNoRows)
			return set(ctx, db, "a", 1)
		}))
		assert.EqualValues(t, 1, amount(t, t.Context(), db, "a"))
	})
}

func TestInTx_ContextIsRefusedAfterTheEnd(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		var leaked context.Context
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error { leaked = ctx; return nil }))

		require.ErrorIs(t, set(leaked, db, "a", 1), database.ErrEnded)
		require.ErrorIs(t, db.InTx(leaked, func(context.Context) error { return nil }), database.ErrEnded)
		rows, err := db.Query(leaked, "SELECT id FROM accounts") //nolint:rowserrcheck // there are none
		require.ErrorIs(t, err, database.ErrEnded)
		require.Nil(t, rows)
		var n int
		require.ErrorIs(t, db.QueryRow(leaked, "SELECT amount FROM accounts").Scan(&n), database.ErrEnded)
		assert.EqualValues(t, 100, amount(t, t.Context(), db, "a"))

		free, err := db.Independent(leaked)
		require.NoError(t, err)
		require.NoError(t, set(free, db, "a", 1))
	})
}

func TestInTx_CancelledCallerRollsBack(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		ctx, cancel := context.WithCancelCause(t.Context())
		err := db.InTx(ctx, func(ctx context.Context) error {
			require.NoError(t, set(ctx, db, "a", 1))
			cancel(errRefused)
			return nil
		})
		require.ErrorIs(t, err, errRefused)
		require.ErrorIs(t, db.InTx(ctx, func(context.Context) error { return nil }), errRefused)
		assert.EqualValues(t, 100, amount(t, t.Context(), db, "a"))
		require.NoError(t, set(t.Context(), db, "a", 2), "the connection is free again")
	})
}

func TestIndependent_IsRefusedInsideATransaction(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
			_, err := db.Independent(ctx)
			require.ErrorIs(t, err, database.ErrInTransaction)
			return nil
		}))
	})
}

func TestInTx_ManyAtOnceLoseNothing(t *testing.T) {
	t.Parallel()
	const workers, rounds = 8, 10
	each(t, func(t *testing.T, db *database.DB) {
		var group sync.WaitGroup
		for range workers {
			group.Go(func() {
				for range rounds {
					assert.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
						_, err := db.Exec(ctx, "UPDATE accounts SET amount = amount - 1 WHERE id = 'a'")
						if err != nil {
							return err
						}
						_, err = db.Exec(ctx, "UPDATE accounts SET amount = amount + 1 WHERE id = 'b'")
						return err
					}))
				}
			})
		}
		group.Wait()
		assert.EqualValues(t, 100-workers*rounds, amount(t, t.Context(), db, "a"))
		assert.EqualValues(t, 100+workers*rounds, amount(t, t.Context(), db, "b"))
	})
}

func TestInTx_RepeatsAfterADeadlock(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t, dbtest.Fresh(t, database.EnginePostgres, accounts()), accounts())
	var attempts atomic.Int32
	var firstLocked sync.WaitGroup
	firstLocked.Add(2)
	transfer := func(from, to string) error {
		first := true
		return db.InTx(t.Context(), func(ctx context.Context) error {
			attempts.Add(1)
			if _, err := db.Exec(ctx, "UPDATE accounts SET amount = amount - 10 WHERE id = $1", from); err != nil {
				return err
			}
			if first { // both hold one row before either asks for the other
				first = false
				firstLocked.Done()
				firstLocked.Wait()
			}
			_, err := db.Exec(ctx, "UPDATE accounts SET amount = amount + 10 WHERE id = $1", to)
			return err
		})
	}
	var group sync.WaitGroup
	group.Go(func() { assert.NoError(t, transfer("a", "b")) })
	group.Go(func() { assert.NoError(t, transfer("b", "a")) })
	group.Wait()
	assert.EqualValues(t, 3, attempts.Load(), "one of the two was repeated")
	assert.EqualValues(t, 100, amount(t, t.Context(), db, "a"))
}

func TestInTx_RepeatsAfterASerializationFailureAndThenGivesUp(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t, dbtest.Fresh(t, database.EnginePostgres, accounts()), accounts())
	// conflict makes the other transaction commit between this one's snapshot and its write.
	attempts := 0
	overtaken := func(times int) error {
		attempts = 0
		return db.InTx(t.Context(), func(ctx context.Context) error {
			attempts++
			if _, err := db.Exec(ctx, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"); err != nil {
				return err
			}
			before := amount(t, ctx, db, "a")
			if attempts <= times {
				require.NoError(t, set(t.Context(), db, "a", before+1000))
			}
			return set(ctx, db, "a", before+1)
		})
	}
	require.NoError(t, overtaken(2))
	assert.Equal(t, 3, attempts)
	assert.EqualValues(t, 2101, amount(t, t.Context(), db, "a"))

	err := overtaken(1000)
	var unavailable *database.UnavailableError
	require.ErrorAs(t, err, &unavailable)
	assert.Equal(t, "state_unavailable", unavailable.ErrorCode())
	assert.Equal(t, 10, attempts)
}

func TestExec_WaitsForAnotherProcessThatWrites(t *testing.T) {
	t.Parallel()
	cfg := dbtest.Fresh(t, database.EngineSQLite)
	db, other := dbtest.Open(t, cfg, accounts()), dbtest.Open(t, cfg)
	done := make(chan error, 1)
	require.NoError(t, other.InTx(t.Context(), func(ctx context.Context) error {
		if err := set(ctx, other, "a", 1); err != nil {
			return err
		}
		go func() {
			_, err := db.Exec(t.Context(), "UPDATE accounts SET amount = amount + 1 WHERE id = 'a'")
			done <- err
		}()
		assert.Eventually(t, func() bool { return db.Stats()[0].InUse == 1 }, 5*time.Second, time.Millisecond, "it is at the locked file")
		return nil
	}))
	require.NoError(t, <-done)
	assert.EqualValues(t, 2, amount(t, t.Context(), db, "a"))
}

func TestQuery_OutsideATransactionReadsOnlyOnSQLite(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t, dbtest.Fresh(t, database.EngineSQLite, accounts()), accounts())
	var id string
	statement := "INSERT INTO accounts (id, amount, closed) VALUES ('c', 1, TRUE) RETURNING id"
	err := db.QueryRow(t.Context(), statement).Scan(&id)
	require.ErrorContains(t, err, "outside a transaction only Exec writes")
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error { return db.QueryRow(ctx, statement).Scan(&id) }))
	assert.Equal(t, "c", id)
}

func TestColumns_HoldTheirTypes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		at := time.Date(2031, 2, 3, 4, 5, 6, 789_012_345, time.FixedZone("elsewhere", 3600))
		note := []byte("12\x00\xff")
		_, err := db.Exec(t.Context(), "INSERT INTO accounts (id, amount, note, closed) VALUES ($1, $2, $3, $4)", "c", database.Micros(at), note, true)
		require.NoError(t, err)
		var micros int64
		var read []byte
		var closed bool
		require.NoError(t, db.QueryRow(t.Context(), "SELECT amount, note, closed FROM accounts WHERE note = $1 AND closed = $2", note, true).Scan(&micros, &read, &closed))
		assert.Equal(t, at.Truncate(time.Microsecond).UTC(), database.Time(micros))
		assert.Equal(t, note, read)
		assert.True(t, closed)
	})
}
