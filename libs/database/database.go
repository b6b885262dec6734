// Package database opens a service's database, SQLite or PostgreSQL, and gives both the same few verbs.
//
// [Open] returns a [DB]. [DB.InTx] runs a write transaction that travels in the context; [DB.Exec], [DB.Query] and [DB.QueryRow]
// use the context's transaction where there is one. [DB.WithUnit] holds a transaction open across several InTx, so that something
// can be committed together with what a request changed. [DB.Migrate] brings the schema up to date.
//
// There is one SQL text for both engines: positional parameters $1, $2, ...; column types TEXT, BIGINT, BOOLEAN and BYTEA (bound as
// []byte only); times as BIGINT, microseconds since 1970 UTC ([Micros], [Time]); INSERT ... ON CONFLICT and RETURNING. The isolation
// is READ COMMITTED on PostgreSQL and serializable on SQLite, so what must be atomic belongs into one statement.
//
// [WithTenant] says whose statements those of a context are. On PostgreSQL the server is told, with each transaction and each statement
// outside of one, and keeps tenants apart by row-level security ([Config.Owner]) or in schemas of their own ([DB.CreateTenantSchema]);
// see docs/adr/0008-tenancy.md.
//
// To keep both engines alike for the code above:
//   - a statement that fails inside a transaction dooms it, also on SQLite, which would carry on;
//   - a statement that writes goes through Exec, or through Query inside InTx: outside a transaction Query reads only.
package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// The engines.
const (
	EngineSQLite   = "sqlite"
	EnginePostgres = "postgres"
)

// pingTimeout bounds [DB.Ping]: readiness probes come every few seconds and must not pile up.
const pingTimeout = 2 * time.Second

// DB is an open database. All methods may be called from many goroutines.
type DB struct {
	engine string
	log    *slog.Logger
	writer *sql.DB // on SQLite one connection
	reader *sql.DB // on PostgreSQL and in memory the same as writer

	listeners listeners
	// prepared are statements on reader; nil on PostgreSQL.
	prepared *prepared
	// migrations connects for migrations, which have no statement timeout, to a schema, "" for the one that all tenants share.
	migrations func(schema string) (pool *sql.DB, done func() error)
	// migrationLock is held by the one process that migrates; nil for a database in memory.
	migrationLock func(ctx context.Context) (unlock func() error, err error)
	migrating     sync.Mutex
	// hearing knows whether PostgreSQL answers; nil on SQLite.
	hearing *hearing
	// tenancy is how tenants are kept apart; nil on SQLite, where only the statements do it.
	tenancy *tenancy
}

// Options are what a program, not its configuration, gives to [Open].
type Options struct {
	// Log receives warnings; required.
	Log *slog.Logger
	// Application is shown by PostgreSQL as application_name; the service's name.
	Application string
}

// Open connects to the database that cfg names and checks that it answers. It creates a SQLite file, and the folder it lies in, at
// the first start; it does not migrate.
func Open(ctx context.Context, cfg Config, opts Options) (*DB, error) {
	if opts.Log == nil {
		return nil, errors.New("open database: Options.Log is missing")
	}
	if problems := cfg.Validate(); len(problems) > 0 {
		return nil, fmt.Errorf("open database: %s", problems[0])
	}
	var db *DB
	var err error
	if cfg.Engine == EnginePostgres {
		db, err = openPostgres(ctx, cfg, opts)
	} else {
		db, err = openSQLite(ctx, cfg, opts)
	}
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	return db, nil
}

// Engine is "sqlite" or "postgres".
func (db *DB) Engine() string { return db.engine }

// Ping asks the database for an answer and waits at most two seconds.
func (db *DB) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	var one int
	if err := db.reader.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		return fmt.Errorf("ping database: %w", asUnavailable(err))
	}
	return nil
}

// Close waits for running statements and closes all connections.
func (db *DB) Close() error {
	if db.hearing != nil {
		db.hearing.close()
	}
	err := db.writer.Close()
	if db.reader != db.writer {
		err = errors.Join(db.reader.Close(), err)
	}
	if err != nil {
		return fmt.Errorf("close database: %w", err)
	}
	return nil
}

// PoolStats are the numbers of one connection pool.
type PoolStats struct {
	// Pool is "writer" or "reader" on SQLite, "postgres" on PostgreSQL.
	Pool string
	sql.DBStats
}

// Stats returns the numbers of every pool, for metrics.
func (db *DB) Stats() []PoolStats {
	if db.engine == EnginePostgres {
		return []PoolStats{{Pool: EnginePostgres, DBStats: db.writer.Stats()}}
	}
	stats := []PoolStats{{Pool: "writer", DBStats: db.writer.Stats()}}
	if db.reader != db.writer {
		stats = append(stats, PoolStats{Pool: "reader", DBStats: db.reader.Stats()})
	}
	return stats
}

// SetMaxConnections changes the size of the pool of a running service: on PostgreSQL all connections, on SQLite those that read.
// Zero is the default. A database in memory keeps its one connection.
func (db *DB) SetMaxConnections(n int) {
	if db.engine == EngineSQLite && db.reader == db.writer {
		return
	}
	n = poolSize(n)
	db.reader.SetMaxOpenConns(n)
	db.reader.SetMaxIdleConns(n)
}
