package tenants_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/tenants"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// childVariable makes this test binary a program that removes tenants until it is killed.
const childVariable = "CRYPTOUTIL_TEST_CHILD"

func TestMain(m *testing.M) {
	fips.Require()
	if os.Getenv(childVariable) != "" {
		if err := purger(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	m.Run()
}

// books is a business schema: rows that depend on others, also of their own table.
func books() database.Set {
	return database.Set{Name: "books", PerTenant: true, FS: fstest.MapFS{"0001_books.sql": {Data: []byte(`-- +goose Up
CREATE TABLE a_pages (tenant_id TEXT NOT NULL, book TEXT NOT NULL, number BIGINT NOT NULL, PRIMARY KEY (tenant_id, book, number));
CREATE TABLE b_books (tenant_id TEXT NOT NULL, id TEXT NOT NULL, sequel_of TEXT, PRIMARY KEY (tenant_id, id),
	FOREIGN KEY (tenant_id, sequel_of) REFERENCES b_books (tenant_id, id));
CREATE INDEX b_books_sequel ON b_books (tenant_id, sequel_of);
CREATE TABLE c_loans (tenant_id TEXT NOT NULL, book TEXT NOT NULL, reader TEXT NOT NULL, PRIMARY KEY (tenant_id, book, reader),
	FOREIGN KEY (tenant_id, book) REFERENCES b_books (tenant_id, id));
`)}}}
}

func sets() []database.Set { return []database.Set{database.PlatformMigrations(), books()} }

// fixture is a registry with a clock that the test moves.
type fixture struct {
	*tenants.Registry
	db    *database.DB
	notes *notes

	mu  sync.Mutex
	now time.Time // guarded by mu
}

// notes are the tenants whose changes were noted.
type notes struct {
	mu  sync.Mutex
	ids []string // guarded by mu
}

func (n *notes) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	ids := n.ids
	n.ids = nil
	return ids
}

func (f *fixture) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fixture) advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

func newFixture(t *testing.T, db *database.DB, change ...func(*tenants.Config)) *fixture {
	t.Helper()
	f := &fixture{db: db, notes: &notes{}, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	cfg := tenants.Config{
		DB: db, Sets: sets(), Log: slog.New(slog.DiscardHandler), Now: f.clock,
		Notify: func(_ context.Context, tenant, kind, id string) error {
			if kind != tenants.ChangeKind || tenant != id {
				return fmt.Errorf("noted %s %s of %s", kind, id, tenant)
			}
			f.notes.mu.Lock()
			defer f.notes.mu.Unlock()
			f.notes.ids = append(f.notes.ids, id)
			return nil
		},
	}
	for _, c := range change {
		c(&cfg)
	}
	registry, err := tenants.New(cfg)
	require.NoError(t, err)
	f.Registry = registry
	return f
}

// each runs test on both engines, and on PostgreSQL with row-level security.
func each(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	dbtest.EachTenancy(t, sets(), func(t *testing.T, db *database.DB) { test(t, newFixture(t, db)) })
}

// eachIsolation runs test with each isolation that an engine has.
func eachIsolation(t *testing.T, test func(t *testing.T, f *fixture, isolation tenants.Isolation)) {
	t.Helper()
	each(t, func(t *testing.T, f *fixture) {
		test(t, f, tenants.IsolationRow)
		if f.db.TenantSchemas() {
			test(t, newFixture(t, dbtest.Open(t, dbtest.TwoRoles(t, sets()...), sets()...)), tenants.IsolationSchema)
		}
	})
}

// fill gives the tenant n books, each with a page, a loan and a predecessor, and a key.
func fill(ctx context.Context, db *database.DB, tenant string, n int) error {
	ctx = database.WithTenant(ctx, tenant)
	return db.InTx(ctx, func(ctx context.Context) error {
		_, err := db.Exec(ctx, `INSERT INTO barrier_keys (tenant_id, level, version, id, parent_id, jwe, created_at)
			VALUES ($1, 'intermediate', 1, $2, '', 'secret-key-material', 0) ON CONFLICT DO NOTHING`, tenant, "key-"+tenant)
		for _, statement := range []string{
			`INSERT INTO b_books (tenant_id, id, sequel_of) SELECT $1, 'book-' || CAST(i AS TEXT), CASE WHEN i > 1 THEN 'book-' || CAST(i - 1 AS TEXT) END FROM n`,
			`INSERT INTO a_pages (tenant_id, book, number) SELECT $1, 'book-' || CAST(i AS TEXT), i FROM n`,
			`INSERT INTO c_loans (tenant_id, book, reader) SELECT $1, 'book-' || CAST(i AS TEXT), 'reader' FROM n`,
		} {
			if err == nil {
				_, err = db.Exec(ctx, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2) `+statement, tenant, n)
			}
		}
		return err
	})
}

// rows counts the tenant's rows everywhere. With schema isolation the shared tables are looked at, too.
func rows(t *testing.T, db *database.DB, tenant string) int {
	t.Helper()
	total := 0
	for _, as := range []string{tenant, database.AllTenants} {
		for _, table := range []string{"a_pages", "b_books", "c_loans", "barrier_keys", "idempotency_records"} {
			var n int
			require.NoError(t, db.QueryRow(database.WithTenant(t.Context(), as), "SELECT count(*) FROM "+table+" WHERE tenant_id = $1", tenant).Scan(&n))
			total += n
		}
	}
	return total
}
