// Package installation gives a service with all its replicas one identity, by which other services know what they depend on: a random UUID
// (RFC 9562 section 5.4) in the database that the replicas share, made at the first start by one of them. It says nothing about where they run.
package installation

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

// ID returns the identity, and makes it if there is none yet. The database has [database.PlatformMigrations] applied; no barrier is needed.
// Whoever asks first decides: an identity that was returned once is everybody's. A copy of the database has the identity of the original.
func ID(ctx context.Context, db *database.DB) (id string, err error) {
	defer func() {
		if err != nil {
			id, err = "", fmt.Errorf("identity of the installation: %w", err)
		}
	}()
	if ctx, err = db.Independent(ctx); err != nil { // what others are told must not be rolled back
		return "", err
	}
	ctx = database.WithTenant(ctx, "")
	if id, err = read(ctx, db); !errors.Is(err, sql.ErrNoRows) {
		return id, err
	}
	made, err := uuid.NewRandom()
	if err != nil {
		return "", err
	}
	err = db.InTx(ctx, func(ctx context.Context) error {
		if _, err := db.Exec(ctx, `INSERT INTO installation (slot, id) VALUES ('installation', $1) ON CONFLICT (slot) DO NOTHING`, made.String()); err != nil {
			return err
		}
		id, err = read(ctx, db) // another replica may have been faster
		return err
	})
	return id, err
}

func read(ctx context.Context, db *database.DB) (id string, err error) {
	if err := db.QueryRow(ctx, `SELECT id FROM installation WHERE slot = 'installation'`).Scan(&id); err != nil {
		return "", err
	}
	const length = 36 // other ways to write a UUID would be another text
	if len(id) != length || uuid.Validate(id) != nil {
		return "", fmt.Errorf("the table installation holds %q, which is none: restore it from a backup", id)
	}
	return id, nil
}
