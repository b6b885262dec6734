package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	sqlite3 "modernc.org/sqlite/lib"
)

// busyTimeout is how long a statement waits for another process that writes to the same file.
const busyTimeout = 5 * time.Second

// openSQLite opens one connection that writes and a pool that reads. In WAL mode readers do not wait for the writer, and
// synchronous=FULL has every commit on disk before it is acknowledged.
func openSQLite(ctx context.Context, cfg Config, opts Options) (*DB, error) {
	db := &DB{engine: EngineSQLite, log: opts.Log}
	db.migrations = func(string) (*sql.DB, func() error) { return db.writer, func() error { return nil } }
	common := []string{fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "foreign_keys(1)", "temp_store(MEMORY)"}

	if cfg.Path == Memory {
		opts.Log.Warn("database in memory: everything is lost when the process ends")
		pool, err := sql.Open("sqlite", sqliteDSN("file:"+Memory, append(common, "synchronous(OFF)")...))
		if err != nil {
			return nil, err
		}
		keepConnections(pool, 1)
		db.writer, db.reader, db.prepared = pool, pool, newPrepared(pool)
		if err := probeSQLite(ctx, db, "memory"); err != nil {
			return nil, errors.Join(fmt.Errorf("SQLite in memory: %w", err), db.Close())
		}
		return db, nil
	}

	path, err := filepath.Abs(cfg.Path.String())
	if err != nil {
		return nil, err
	}
	if err := prepareFile(path, opts); err != nil {
		return nil, fmt.Errorf("SQLite file %s: %w", path, err)
	}
	db.migrationLock = fileLock(path + ".migrating")
	location := (&url.URL{Scheme: "file", Path: "/" + strings.TrimPrefix(filepath.ToSlash(path), "/")}).String()
	db.writer, err = sql.Open("sqlite", sqliteDSN(location, append(common, "journal_mode(WAL)", "synchronous(FULL)")...))
	if err != nil {
		return nil, err
	}
	db.reader, err = sql.Open("sqlite", sqliteDSN(location, append(common, "query_only(1)")...))
	if err != nil {
		return nil, errors.Join(err, db.writer.Close())
	}
	keepConnections(db.writer, 1)
	keepConnections(db.reader, poolSize(cfg.MaxConnections))
	db.prepared = newPrepared(db.reader)
	if err := probeSQLite(ctx, db, "wal"); err != nil {
		return nil, errors.Join(fmt.Errorf("SQLite file %s: %w", path, sqliteReason(err)), db.Close())
	}
	return db, nil
}

// sqliteDSN has every transaction begin with BEGIN IMMEDIATE: one that read first and then wants to write could otherwise fail, where
// this one waits its turn.
func sqliteDSN(location string, pragmas ...string) string {
	query := url.Values{"_txlock": {"immediate"}, "_pragma": pragmas}
	return location + "?" + query.Encode()
}

// keepConnections keeps connections open for good: opening one costs more than holding it, and one in memory is the database.
func keepConnections(pool *sql.DB, n int) {
	pool.SetMaxOpenConns(n)
	pool.SetMaxIdleConns(n)
}

// prepareFile creates the file, and the folder it lies in, so that only the owner can read them. It never opens a file that exists:
// closing it again would drop the locks that this process holds on it (sqlite.org/howtocorrupt.html section 2.2).
func prepareFile(path string, opts Options) error {
	dir := filepath.Dir(path)
	if err := os.Mkdir(dir, 0o700); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("folder %s does not exist: create it, or correct the path", filepath.Dir(dir))
	} else if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("create its folder: %w", err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		return file.Close()
	}
	if !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("create it: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("is not a regular file")
	}
	if info.Mode().Perm()&0o077 != 0 {
		opts.Log.Warn("database file was open to others and is closed to them now", "path", path, "mode", info.Mode().Perm().String())
		if err := os.Chmod(path, 0o600); err != nil {
			return fmt.Errorf("close it to others: %w", err)
		}
	}
	return nil
}

// probeSQLite finds out now, not at the first request, whether the file is a database and can be written.
func probeSQLite(ctx context.Context, db *DB, journal string) error {
	return db.retry(ctx, func() error {
		var mode string
		if err := db.writer.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
			return err
		}
		if mode != journal {
			return fmt.Errorf("journal mode is %q, not %s: a network file system cannot hold this database", mode, journal)
		}
		tx, err := db.writer.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		// SQLite opens what it may not write for reading, and BEGIN IMMEDIATE succeeds there.
		_, err = tx.ExecContext(ctx, "PRAGMA user_version = 1")
		if err := errors.Join(err, tx.Rollback()); err != nil {
			return err
		}
		var tables int
		return db.reader.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables)
	})
}

// sqliteReason puts into words what a failed probe means.
func sqliteReason(err error) error {
	code, ok := sqliteCode(err)
	if !ok {
		return err
	}
	switch code & 0xff {
	case sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("is not a SQLite database: correct the path, or move the file away: %w", err)
	case sqlite3.SQLITE_CORRUPT:
		return fmt.Errorf("is damaged: restore it from a backup: %w", err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return fmt.Errorf("cannot be written: the file and its folder must belong to the user that runs the service: %w", err)
	case sqlite3.SQLITE_BUSY:
		return fmt.Errorf("is locked by another process: %w", err)
	}
	return err
}

// closeToOthers creates an empty file for its owner alone, or takes a file's rights from everybody else. It opens no file that exists.
func closeToOthers(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case err == nil:
		return file.Close()
	case !errors.Is(err, fs.ErrExist):
		return err
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return err
	}
	return os.Chmod(path, 0o600)
}

// fileLock makes a lock of an empty SQLite file beside the database: an exclusive transaction on it ends with the process that holds it,
// however that ends. It differs from a lock in the database itself, which would have to be given up between migrations.
func fileLock(path string) func(ctx context.Context) (func() error, error) {
	const poll = 20 * time.Millisecond
	return func(ctx context.Context) (func() error, error) {
		if err := closeToOthers(path); err != nil {
			return nil, err
		}
		location := (&url.URL{Scheme: "file", Path: "/" + strings.TrimPrefix(filepath.ToSlash(path), "/")}).String()
		pool, err := sql.Open("sqlite", location+"?_txlock=exclusive")
		if err != nil {
			return nil, err
		}
		for {
			tx, err := pool.BeginTx(ctx, nil)
			if err == nil {
				return func() error { return errors.Join(tx.Rollback(), pool.Close()) }, nil
			}
			if !isRetriable(err) {
				return nil, errors.Join(err, pool.Close())
			}
			select {
			case <-ctx.Done():
				return nil, errors.Join(context.Cause(ctx), pool.Close())
			case <-time.After(poll):
			}
		}
	}
}
