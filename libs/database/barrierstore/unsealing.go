package barrierstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/database"
)

// SealedKeys returns all sealed unseal keys, oldest first.
func (s *Store) SealedKeys(ctx context.Context) (keys []unseal.SealedKey, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("read sealed unseal keys: %w", err)
		}
	}()
	rows, err := s.db.Query(ctx, `SELECT id, unseal_key_id, mode, sealer, sealed, threshold, shares, created_at, verified_at
		FROM barrier_sealed_keys ORDER BY created_at, id`)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var key unseal.SealedKey
		var created, verified int64
		if err := rows.Scan(&key.ID, &key.UnsealKeyID, &key.Mode, &key.Sealer, &key.Sealed, &key.Threshold, &key.Shares, &created, &verified); err != nil {
			return nil, err
		}
		key.CreatedAt, key.VerifiedAt = database.Time(created), database.Time(verified)
		keys = append(keys, key)
	}
	return keys, rows.Err()
}

// AddSealedKey stores one.
func (s *Store) AddSealedKey(ctx context.Context, key unseal.SealedKey) error {
	err := s.change(ctx, func(ctx context.Context) error { return s.addSealedKey(ctx, key) })
	if err != nil {
		return fmt.Errorf("store sealed unseal key: %w", err)
	}
	return nil
}

func (s *Store) addSealedKey(ctx context.Context, key unseal.SealedKey) error {
	_, err := s.db.Exec(ctx, `INSERT INTO barrier_sealed_keys (id, unseal_key_id, mode, sealer, sealed, threshold, shares, created_at, verified_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		key.ID, key.UnsealKeyID, string(key.Mode), key.Sealer, key.Sealed, key.Threshold, key.Shares, database.Micros(key.CreatedAt), database.Micros(key.VerifiedAt))
	return err
}

// ConfirmRecovery marks a recovery key as verified and removes the others.
func (s *Store) ConfirmRecovery(ctx context.Context, id string, at time.Time) error {
	err := s.change(ctx, func(ctx context.Context) error {
		result, err := s.db.Exec(ctx, "UPDATE barrier_sealed_keys SET verified_at = $1 WHERE id = $2 AND mode = 'recovery'", database.Micros(at), id)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, errors.New("it is not there any more"))
		}
		_, err = s.db.Exec(ctx, "DELETE FROM barrier_sealed_keys WHERE mode = 'recovery' AND id <> $1", id)
		return err
	})
	if err != nil {
		return fmt.Errorf("confirm recovery key %s: %w", id, err)
	}
	return nil
}

// Rekey returns the rekeying under way; unseal.ErrNoRekey if there is none.
func (s *Store) Rekey(ctx context.Context) (rekey unseal.Rekey, err error) {
	var started, verified int64
	err = s.db.QueryRow(ctx, "SELECT id, from_key_id, to_key_id, mode, threshold, shares, started_at, verified_at FROM barrier_rekeys").
		Scan(&rekey.ID, &rekey.FromKeyID, &rekey.ToKeyID, &rekey.Mode, &rekey.Threshold, &rekey.Shares, &started, &verified)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return unseal.Rekey{}, unseal.ErrNoRekey
	case err != nil:
		return unseal.Rekey{}, fmt.Errorf("read rekeying: %w", err)
	}
	rekey.StartedAt, rekey.VerifiedAt = database.Time(started), database.Time(verified)
	return rekey, nil
}

// StageRekey stores a rekeying with its root keys and sealed unseal key.
func (s *Store) StageRekey(ctx context.Context, rekey unseal.Rekey, staged []barrier.WrappedKey, sealed *unseal.SealedKey) error {
	err := s.change(ctx, func(ctx context.Context) error {
		switch _, err := s.Rekey(ctx); {
		case err == nil:
			return unseal.ErrRekeyExists
		case !errors.Is(err, unseal.ErrNoRekey):
			return err
		}
		for _, key := range staged {
			if err := s.insert(ctx, key); err != nil {
				return err
			}
		}
		if err := s.checkStaged(ctx, rekey); err != nil {
			return err
		}
		if sealed != nil {
			if err := s.addSealedKey(ctx, *sealed); err != nil {
				return err
			}
		}
		_, err := s.db.Exec(ctx, `INSERT INTO barrier_rekeys (slot, id, from_key_id, to_key_id, mode, threshold, shares, started_at, verified_at)
			VALUES ('rekey', $1, $2, $3, $4, $5, $6, $7, $8)`,
			rekey.ID, rekey.FromKeyID, rekey.ToKeyID, string(rekey.Mode), rekey.Threshold, rekey.Shares, database.Micros(rekey.StartedAt), database.Micros(rekey.VerifiedAt))
		return err
	})
	if err != nil {
		return fmt.Errorf("stage rekeying: %w", err)
	}
	return nil
}

// checkStaged makes sure that each root key, as the old unseal key wraps it, has its staged counterpart, and that there is no other.
func (s *Store) checkStaged(ctx context.Context, rekey unseal.Rekey) error {
	var roots, matched, staged int64
	err := s.db.QueryRow(ctx, `SELECT
			(SELECT COUNT(*) FROM barrier_keys WHERE level = 'root'),
			(SELECT COUNT(*) FROM barrier_keys r JOIN barrier_keys s ON s.tenant_id = r.tenant_id AND s.level = 'staged' AND s.version = r.version
				WHERE r.level = 'root' AND s.id = 'staged/' || r.id AND r.parent_id = $1 AND s.parent_id = $2),
			(SELECT COUNT(*) FROM barrier_keys WHERE level = 'staged')`, rekey.FromKeyID, rekey.ToKeyID).Scan(&roots, &matched, &staged)
	if err == nil && (roots == 0 || roots != matched || roots != staged) {
		err = unseal.ErrRootsChanged
	}
	return err
}

// VerifyRekey marks the rekeying as verified.
func (s *Store) VerifyRekey(ctx context.Context, id string, at time.Time) error {
	err := s.change(ctx, func(ctx context.Context) error {
		result, err := s.db.Exec(ctx, "UPDATE barrier_rekeys SET verified_at = $1 WHERE id = $2", database.Micros(at), id)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err == nil && n == 0 {
			err = unseal.ErrNoRekey
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("verify rekeying: %w", err)
	}
	return nil
}

// CommitRekey puts the staged root keys in force, in one transaction: before it both unseal keys open the barrier, after it the new one.
func (s *Store) CommitRekey(ctx context.Context, id string) error {
	err := s.endRekey(ctx, id, func(ctx context.Context, rekey unseal.Rekey) error {
		if rekey.VerifiedAt.IsZero() {
			return unseal.ErrNotVerified
		}
		if err := s.checkStaged(ctx, rekey); err != nil {
			return err
		}
		if _, err := s.db.Exec(ctx, `UPDATE barrier_keys SET parent_id = $1,
				jwe = (SELECT s.jwe FROM barrier_keys s WHERE s.level = 'staged' AND s.id = 'staged/' || barrier_keys.id)
			WHERE level = 'root'`, rekey.ToKeyID); err != nil {
			return err
		}
		_, err := s.db.Exec(ctx, "DELETE FROM barrier_sealed_keys WHERE unseal_key_id <> $1", rekey.ToKeyID)
		return err
	})
	if err != nil {
		return fmt.Errorf("commit rekeying: %w", err)
	}
	return nil
}

// CancelRekey removes the rekeying and what is staged.
func (s *Store) CancelRekey(ctx context.Context, id string) error {
	err := s.endRekey(ctx, id, func(ctx context.Context, rekey unseal.Rekey) error {
		_, err := s.db.Exec(ctx, "DELETE FROM barrier_sealed_keys WHERE unseal_key_id = $1", rekey.ToKeyID)
		return err
	})
	if err != nil {
		return fmt.Errorf("cancel rekeying: %w", err)
	}
	return nil
}

// endRekey runs fn for the rekeying of that id, and removes it.
func (s *Store) endRekey(ctx context.Context, id string, fn func(ctx context.Context, rekey unseal.Rekey) error) error {
	return s.change(ctx, func(ctx context.Context) error {
		rekey, err := s.Rekey(ctx)
		if err == nil && rekey.ID != id {
			err = unseal.ErrNoRekey
		}
		if err == nil {
			err = fn(ctx, rekey)
		}
		for _, statement := range []string{"DELETE FROM barrier_keys WHERE level = 'staged'", "DELETE FROM barrier_rekeys"} {
			if err == nil {
				_, err = s.db.Exec(ctx, statement)
			}
		}
		return err
	})
}
