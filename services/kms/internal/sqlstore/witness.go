package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

// Witness is how far the service knows that time has come; zero before the first answer.
func (s *Store) Witness(ctx context.Context) (time.Time, error) {
	var at int64
	err := s.db.QueryRow(database.WithTenant(ctx, ""), `SELECT at FROM clock_witness WHERE id = 1`).Scan(&at)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("read the clock's witness: %w", err)
	}
	return database.Time(at), nil
}

// Testify notes how far time has come. It never goes back.
func (s *Store) Testify(ctx context.Context, at time.Time) error {
	err := s.db.InTx(database.WithTenant(ctx, ""), func(ctx context.Context) error {
		_, err := s.db.Exec(ctx, `
			INSERT INTO clock_witness (id, at) VALUES (1, $1)
			ON CONFLICT (id) DO UPDATE SET at = excluded.at WHERE clock_witness.at < excluded.at`, database.Micros(at))
		return err
	})
	if err != nil {
		return fmt.Errorf("note the clock's witness: %w", err)
	}
	return nil
}
