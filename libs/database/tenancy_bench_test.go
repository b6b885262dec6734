package database_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// benchTenants are in the tables of the benchmarks, each with a hundred notes.
const benchTenants = 20

func benchDatabase(b *testing.B, cfg database.Config, isolation string) *database.DB {
	b.Helper()
	cfg.MaxConnections, cfg.SchemaTenants = 1, 0
	if isolation == "schema" {
		cfg.SchemaTenants = benchTenants
	}
	db := dbtest.Open(b, cfg, sharedAndNotes()...)
	for i := range benchTenants {
		tenant := fmt.Sprintf("t%d", i)
		require.NoError(b, addTenant(b.Context(), db, tenant, isolation, sharedAndNotes()...))
		_, err := db.Exec(as(b.Context(), tenant), `INSERT INTO notes (tenant_id, id, body)
			SELECT CAST($1 AS TEXT), CAST(i AS TEXT), 'text' FROM generate_series(0, 99) i`, tenant)
		require.NoError(b, err)
	}
	return db
}

func oneRole(t testing.TB) database.Config {
	t.Helper()
	return dbtest.Fresh(t, database.EnginePostgres)
}

func ownedAndUsed(t testing.TB) database.Config {
	t.Helper()
	return dbtest.TwoRoles(t)
}

// processorTime is that of this process, and of the server's process for the one connection of db where that can be read, in microseconds.
func processorTime(b *testing.B, db *database.DB) (client, server float64) {
	b.Helper()
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	var pid int
	require.NoError(b, db.QueryRow(b.Context(), "SELECT pg_backend_pid()").Scan(&pid))
	var running float64
	if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid)); err == nil { // Linux: nanoseconds first
		_, err := fmt.Sscan(string(text), &running)
		require.NoError(b, err)
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1000, running / 1000
}

// measure runs do b.N times and reports the processor time of each.
func measure(b *testing.B, db *database.DB, do func(i int) error) {
	b.Helper()
	client, server := processorTime(b, db)
	b.ResetTimer()
	for i := range b.N {
		if err := do(i); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	clientEnd, serverEnd := processorTime(b, db)
	b.ReportMetric((clientEnd-client)/float64(b.N), "client-us/op")
	b.ReportMetric((serverEnd-server)/float64(b.N), "server-us/op")
}

// BenchmarkTenancy compares a read alone, and reads in a transaction, without tenants told to the server ("off"), with row-level security,
// and with schemas; "next" takes another tenant each time, on one connection.
func BenchmarkTenancy(b *testing.B) {
	one := func(int) string { return "t7" }
	next := func(i int) string { return fmt.Sprintf("t%d", i%benchTenants) }
	for _, layout := range []struct {
		name      string
		cfg       func(testing.TB) database.Config
		isolation string
		bind      bool
		tenant    func(int) string
	}{
		{"off", oneRole, "row", false, one},
		{"row/one", ownedAndUsed, "row", true, one},
		{"row/next", ownedAndUsed, "row", true, next},
		{"schema/one", ownedAndUsed, "schema", true, one},
		{"schema/next", ownedAndUsed, "schema", true, next},
	} {
		db := benchDatabase(b, layout.cfg(b), layout.isolation)
		in := func(i int) (context.Context, string) {
			if tenant := layout.tenant(i); layout.bind {
				return as(b.Context(), tenant), tenant
			}
			return b.Context(), layout.tenant(i)
		}
		read := func(ctx context.Context, tenant string) error {
			var body string
			return db.QueryRow(ctx, "SELECT body FROM notes WHERE tenant_id = $1 AND id = $2", tenant, "42").Scan(&body)
		}
		for i := range benchTenants { // statements are compiled
			ctx, tenant := in(i)
			require.NoError(b, read(ctx, tenant))
		}
		b.Run("read/"+layout.name, func(b *testing.B) {
			measure(b, db, func(i int) error { return read(in(i)) })
		})
		b.Run("read-in-a-transaction/"+layout.name, func(b *testing.B) {
			measure(b, db, func(i int) error {
				ctx, tenant := in(i)
				return db.InTx(ctx, func(ctx context.Context) error { return read(ctx, tenant) })
			})
		})
		b.Run("two-reads-in-a-transaction/"+layout.name, func(b *testing.B) {
			measure(b, db, func(i int) error {
				ctx, tenant := in(i)
				return db.InTx(ctx, func(ctx context.Context) error { return errors.Join(read(ctx, tenant), read(ctx, tenant)) })
			})
		})
	}
}

// BenchmarkTenantSchemas is what a start costs where nothing is to be done, and what it costs to make a schema.
func BenchmarkTenantSchemas(b *testing.B) {
	cfg := dbtest.TwoRoles(b)
	cfg.SchemaTenants = 1000
	db := dbtest.Open(b, cfg, sharedAndNotes()...)
	made := 0
	for _, n := range []int{0, 10, 100} {
		b.Run(fmt.Sprintf("schemas=%d", n), func(b *testing.B) {
			began, first := time.Now(), made
			for ; made < n; made++ {
				require.NoError(b, db.CreateTenantSchema(b.Context(), fmt.Sprintf("t%d", made), sharedAndNotes()...))
			}
			created := time.Since(began)
			for b.Loop() {
				require.NoError(b, db.Migrate(b.Context(), sharedAndNotes()...))
			}
			b.ReportMetric(float64(created.Milliseconds())/float64(max(1, made-first)), "ms/creation")
		})
	}
}
