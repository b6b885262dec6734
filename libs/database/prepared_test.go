package database_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// A statement that is kept must not keep what it saw: each run reads anew, also after one that was given up half way.
func TestQuery_TheSameTextReadsAnew(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, []database.Set{accounts()}, func(t *testing.T, db *database.DB) {
		for i := range int64(20) {
			require.NoError(t, set(t.Context(), db, "a", i))
			assert.Equal(t, i, amount(t, t.Context(), db, "a"))
			assert.Equal(t, i, firstOfTwo(t, db))
		}
	})
}

// firstOfTwo reads one row of two and leaves the other.
func firstOfTwo(t *testing.T, db *database.DB) (n int64) {
	t.Helper()
	rows, err := db.Query(t.Context(), "SELECT amount FROM accounts ORDER BY id")
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	require.True(t, rows.Next())
	require.NoError(t, rows.Scan(&n))
	require.NoError(t, rows.Err())
	return n
}

func TestQuery_TheSameTextSurvivesWhatEndsOneRun(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, []database.Set{accounts()}, func(t *testing.T, db *database.DB) {
		const text = "SELECT amount FROM accounts WHERE id = $1"
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		var n int64
		for range 5 {
			require.ErrorIs(t, db.QueryRow(ended, text, "a").Scan(&n), context.Canceled)
			require.Error(t, db.QueryRow(t.Context(), text).Scan(&n), "an argument is missing")
			require.Error(t, db.QueryRow(t.Context(), text, "a").Scan(&n, &n), "a column is missing")
			require.NoError(t, db.QueryRow(t.Context(), text, "a").Scan(&n))
			assert.EqualValues(t, 100, n)
		}
		require.Error(t, db.QueryRow(t.Context(), "SELECT nothing FROM nowhere").Scan(&n))
		require.Error(t, db.QueryRow(t.Context(), "SELECT FROM WHERE").Scan(&n))

		_, err := db.Exec(t.Context(), "ALTER TABLE accounts ADD COLUMN more BIGINT NOT NULL DEFAULT 7")
		require.NoError(t, err)
		assert.EqualValues(t, 100, amount(t, t.Context(), db, "a"), "another schema")
		_, err = db.Exec(t.Context(), "DROP TABLE accounts")
		require.NoError(t, err)
		require.Error(t, db.QueryRow(t.Context(), text, "a").Scan(&n))
	})
}

func TestQuery_ManyTextsFromManyGoroutines(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, []database.Set{accounts()}, func(t *testing.T, db *database.DB) {
		const workers, texts = 8, 300
		ctx := t.Context()
		var group sync.WaitGroup
		for worker := range workers {
			group.Go(func() {
				for i := range texts {
					var id string
					var n int
					want := []string{"a", "b"}[worker%2]
					text := fmt.Sprintf("SELECT id, %d FROM accounts WHERE id = $1", i)
					if assert.NoError(t, db.QueryRow(ctx, text, want).Scan(&id, &n)) {
						assert.Equal(t, want, id)
						assert.Equal(t, i, n)
					}
				}
			})
		}
		group.Wait()
		db.SetMaxConnections(2)
		assert.EqualValues(t, 100, amount(t, ctx, db, "b"))
	})
}

func TestQuery_OfADatabaseInMemory(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t, database.Config{Engine: database.EngineSQLite, Path: database.Memory}, accounts())
	for i := range int64(3) {
		require.NoError(t, set(t.Context(), db, "a", i))
		assert.Equal(t, i, amount(t, t.Context(), db, "a"))
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
			assert.Equal(t, i, amount(t, ctx, db, "a"))
			return nil
		}))
	}
}
