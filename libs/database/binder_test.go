package database_test

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

func TestBound_ValuesAreThoseOfUnboundStatements(t *testing.T) {
	t.Parallel()
	db := twoRoles(t, 1)
	const query = `SELECT 'text'::text, 'name'::name, 7::bigint, 7::int, true, '\x00ff'::bytea, NULL::text, NULL::bigint, NULL::bytea,
		sum(7::bigint), 1.5::float8, $1::text, $2::bytea, $3::bigint, $4::boolean, 'public'::regnamespace, '{"a":1}'::jsonb, ''::text, ''::bytea`
	read := func(ctx context.Context) []any {
		rows, err := db.Query(ctx, query, "ü", []byte{1, 2}, int64(-1), false)
		require.NoError(t, err)
		defer func() { require.NoError(t, rows.Close()) }()
		names, err := rows.Columns()
		require.NoError(t, err)
		values, targets := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			targets[i] = &values[i]
		}
		require.True(t, rows.Next())
		require.NoError(t, rows.Scan(targets...))
		require.False(t, rows.Next())
		require.NoError(t, rows.Err())
		return values[:len(values)-3]
	}
	assert.Equal(t, read(t.Context()), read(as(t.Context(), "acme")))
	require.NoError(t, db.InTx(as(t.Context(), "acme"), func(ctx context.Context) error {
		assert.Equal(t, read(as(ctx, "")), read(ctx))
		return nil
	}))
	var flag bool
	var raw []byte
	var n int
	var none sql.NullString
	require.NoError(t, db.QueryRow(as(t.Context(), "acme"), "SELECT true, 'abc'::bytea, 42::bigint, NULL::text").Scan(&flag, &raw, &n, &none))
	assert.Equal(t, []any{true, []byte("abc"), 42, false}, []any{flag, raw, n, none.Valid})
	require.ErrorIs(t, db.QueryRow(as(t.Context(), "acme"), "SELECT id FROM notes WHERE id = 'absent'").Scan(&raw), sql.ErrNoRows)
}

func TestBound_FailuresAreReportedAndTheConnectionGoesOn(t *testing.T) {
	t.Parallel()
	db := twoRoles(t, 1)
	ctx := as(t.Context(), "acme")
	require.True(t, database.IsUniqueViolation(write(ctx, db, "acme", "one")))
	_, err := db.Exec(ctx, "INSERT INTO tags (tenant_id, note_id, tag) VALUES ('acme', 'absent', 'x')")
	require.ErrorContains(t, err, "foreign key", "a deferred constraint fails at the end of the implicit transaction")
	var n int
	require.ErrorContains(t, db.QueryRow(ctx, "SELECT 1/0").Scan(&n), "division by zero")
	require.ErrorContains(t, db.QueryRow(ctx, "SELECT nothing FROM nowhere").Scan(&n), "nowhere")
	require.ErrorContains(t, db.QueryRow(ctx, "SELECT 1/(3-i) FROM generate_series(1, 5) i ORDER BY i").Scan(&n), "division by zero")
	assert.ErrorContains(t, readSome(t, ctx, db, "SELECT 1/(2000-i) FROM generate_series(1, 3000) i", 3000), "division by zero")
	require.NoError(t, readSome(t, ctx, db, "SELECT i FROM generate_series(1, 100000) i", 1), "most rows are not read")
	assert.Equal(t, []string{"acme/one"}, seen(t, ctx, db))
	err = db.InTx(ctx, func(ctx context.Context) error {
		_, err := db.Exec(ctx, "INSERT INTO tags (tenant_id, note_id, tag) VALUES ('acme', 'absent', 'x')")
		return err
	})
	require.ErrorContains(t, err, "foreign key")
	assert.Equal(t, []string{"acme/one"}, seen(t, ctx, db))
}

// readSome reads up to n numbers.
func readSome(t *testing.T, ctx context.Context, db *database.DB, query string, n int) error { //nolint:revive // t first reads better in tests
	t.Helper()
	rows, err := db.Query(ctx, query)
	require.NoError(t, err)
	defer func() { _ = rows.Close() }() // its error is that of Err
	for ; n > 0 && rows.Next(); n-- {
		var i int
		require.NoError(t, rows.Scan(&i))
	}
	return rows.Err()
}

func TestBound_CancelledStatementLeavesNoTrace(t *testing.T) {
	t.Parallel()
	db := twoRoles(t, 1)
	for _, run := range []func(context.Context) error{
		func(ctx context.Context) error { _, err := db.Exec(ctx, "SELECT pg_sleep(30)"); return err },
		func(ctx context.Context) error { return db.QueryRow(ctx, "SELECT pg_sleep(30)").Scan(new(string)) },
		func(ctx context.Context) error {
			return db.InTx(ctx, func(ctx context.Context) error { _, err := db.Exec(ctx, "SELECT pg_sleep(30)"); return err })
		},
	} {
		ctx, cancel := context.WithTimeout(as(t.Context(), "acme"), 50*time.Millisecond)
		require.Error(t, run(ctx))
		cancel()
		assert.Empty(t, seen(t, t.Context(), db))
		assert.Equal(t, []string{"umbrella/one"}, seen(t, as(t.Context(), "umbrella"), db))
	}
}

func TestBound_LostConnectionIsReplacedAndOutcomesAreKnown(t *testing.T) {
	t.Parallel()
	cfg := dbtest.TwoRoles(t)
	dbtest.Open(t, cfg, database.PlatformMigrations(), notes())
	faultyCfg, fault := dbtest.Faulty(t, cfg)
	db := dbtest.Open(t, faultyCfg, database.PlatformMigrations(), notes())
	ctx := as(t.Context(), "acme")
	for _, lose := range []func(){fault.LoseNextCommit, fault.LoseNextAnswer} {
		lose()
		require.ErrorIs(t, db.InTx(ctx, func(ctx context.Context) error { return write(ctx, db, "acme", "x") }), database.ErrOutcomeUnknown)
	}
	assert.Equal(t, []string{"acme/x"}, seen(t, ctx, db))
}

func TestBound_ManyTenantsShareAPool(t *testing.T) {
	t.Parallel()
	db := twoRoles(t, 3)
	var group sync.WaitGroup
	for g := range 12 {
		group.Go(func() {
			tenant := fmt.Sprintf("t%d", g)
			ctx := as(t.Context(), tenant)
			for i := range 15 {
				id := fmt.Sprint(i)
				if i%2 == 0 {
					assert.NoError(t, write(ctx, db, tenant, id))
				} else {
					assert.NoError(t, db.InTx(ctx, func(ctx context.Context) error { return write(ctx, db, tenant, id) }))
				}
				var n, others int
				assert.NoError(t, db.QueryRow(ctx, "SELECT count(*), count(*) FILTER (WHERE tenant_id <> $1) FROM notes", tenant).Scan(&n, &others))
				assert.Equal(t, []int{i + 1, 0}, []int{n, others})
				assert.NoError(t, db.QueryRow(t.Context(), "SELECT count(*) FROM notes").Scan(&n))
				assert.Zero(t, n)
			}
		})
	}
	group.Wait()
}
