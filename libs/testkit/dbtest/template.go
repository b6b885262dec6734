package dbtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

const (
	// layout goes into the names of templates. Another one is needed when package database makes other tables of the same sets.
	layout = "1"
	// templateLife is how long a template is used; then it is made anew, and what nobody asks for any more goes.
	templateLife = 24 * time.Hour
	// templateLock is held by the process that makes a template.
	templateLock = int64(0x74656d706c617465)
)

// templateName is the same for the same sets.
func templateName(sets []database.Set) (string, error) {
	digest := sha256.New()
	_, _ = fmt.Fprintf(digest, "%s\n", layout) // a hash takes everything
	for _, set := range sets {
		_, _ = fmt.Fprintf(digest, "set %q %t\n", set.Name, set.PerTenant)
		err := fs.WalkDir(set.FS, ".", func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := fs.ReadFile(set.FS, path)
			_, _ = fmt.Fprintf(digest, "%q %q\n", path, content)
			return err
		})
		if err != nil {
			return "", fmt.Errorf("set %s: %w", set.Name, err)
		}
	}
	return "template_" + hex.EncodeToString(digest.Sum(nil)[:12]), nil
}

// createDatabase makes a database on the server that db administers, with the sets applied.
func createDatabase(ctx context.Context, t testing.TB, db *database.DB, in server, name, owner string, sets []database.Set) error {
	t.Helper()
	// On a server in memory a copy of the files takes half the processor time of one through the log, the default.
	create := "CREATE DATABASE " + name + " OWNER " + owner + " STRATEGY file_copy"
	if len(sets) == 0 {
		return run(create)(ctx, db)
	}
	template, err := templateName(sets)
	if err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		if err := ensureTemplate(ctx, t, db, in, template, sets); err != nil {
			return fmt.Errorf("make template: %w", err)
		}
		err := run(create+" TEMPLATE "+template)(ctx, db)
		if err == nil || attempt == 3 {
			return err
		}
		// Its day may have ended just now.
		if there, lookErr := hasTemplate(ctx, db, template); lookErr != nil || there {
			return err
		}
	}
}

// hasTemplate says whether a template is there and young enough.
func hasTemplate(ctx context.Context, db *database.DB, name string) (there bool, err error) {
	err = db.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND shobj_description(oid, 'pg_database') > $2)`,
		name, timestamp(time.Now().Add(-templateLife))).Scan(&there)
	return there, err
}

// timestamp is the comment on a template. Texts compare as their times do.
func timestamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// ensureTemplate makes a template that is missing; one process at a time. A template has its name once it is complete.
func ensureTemplate(ctx context.Context, t testing.TB, db *database.DB, in server, name string, sets []database.Set) error {
	t.Helper()
	if there, err := hasTemplate(ctx, db, name); err != nil || there {
		return err
	}
	return db.InTx(ctx, func(locked context.Context) error {
		if _, err := db.Exec(locked, "SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"); err != nil {
			return err
		}
		if _, err := db.Exec(locked, "SELECT pg_advisory_xact_lock($1)", templateLock); err != nil {
			return err
		}
		if there, err := hasTemplate(locked, db, name); err != nil || there {
			return err
		}
		if err := dropStale(ctx, db); err != nil {
			return err
		}
		const unfinished = "unfinished_template"
		if err := run("DROP DATABASE IF EXISTS "+unfinished+" WITH (FORCE)", "CREATE DATABASE "+unfinished+" STRATEGY file_copy")(ctx, db); err != nil {
			return err
		}
		cfg := in.Config
		cfg.URL = in.url(unfinished, in.user())
		if err := migrate(ctx, t, cfg, sets); err != nil {
			return err
		}
		return run(
			"COMMENT ON DATABASE "+unfinished+" IS '"+timestamp(time.Now())+"'",
			"ALTER DATABASE "+unfinished+" ALLOW_CONNECTIONS false", // a connection would keep others from copying it
			"ALTER DATABASE "+unfinished+" RENAME TO "+name,
		)(ctx, db)
	})
}

// dropStale removes templates whose day is over.
func dropStale(ctx context.Context, db *database.DB) error {
	rows, err := db.Query(ctx, `SELECT datname FROM pg_database
		WHERE datname LIKE 'template\_%' AND NOT datistemplate AND shobj_description(oid, 'pg_database') <= $1`, timestamp(time.Now().Add(-templateLife)))
	if err != nil {
		return err
	}
	var statements []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		statements = append(statements, "DROP DATABASE IF EXISTS "+name)
	}
	if err := rows.Close(); err != nil {
		return err
	}
	return run(statements...)(ctx, db)
}

// migrate applies the sets to an empty database.
func migrate(ctx context.Context, t testing.TB, cfg database.Config, sets []database.Set) error {
	t.Helper()
	db, err := database.Open(ctx, cfg, Options(t))
	if err != nil {
		return err
	}
	if err := db.Migrate(ctx, sets...); err != nil {
		_ = db.Close()
		return err
	}
	return db.Close()
}
