package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// ReserveUses implements keyring.UseStore.
func (s *Store) ReserveUses(ctx context.Context, key keyring.MaterialKey, n int64) (int64, error) {
	var total int64
	err := s.db.InTx(database.WithTenant(ctx, key.Tenant), func(ctx context.Context) error {
		return s.db.QueryRow(ctx, `
			UPDATE material_keys SET use_count = use_count + $4
			WHERE tenant_id = $1 AND elastic_key_id = $2 AND version = $3
			RETURNING use_count`,
			key.Tenant, key.ElasticKeyID, key.Version, n).Scan(&total)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return 0, keyring.ErrNotFound
	}
	if err != nil {
		return 0, fmt.Errorf("reserve uses: %w", err)
	}
	return total, nil
}

// AddUses implements keyring.UseStore.
func (s *Store) AddUses(ctx context.Context, tenant string, uses []keyring.VersionUses) error {
	err := s.db.InTx(database.WithTenant(ctx, tenant), func(ctx context.Context) error {
		for _, of := range uses {
			if err := s.addUses(ctx, tenant, of); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("add uses: %w", err)
	}
	return nil
}

func (s *Store) addUses(ctx context.Context, tenant string, of keyring.VersionUses) error {
	last := database.Micros(of.LastUsedAt)
	if of.Version == 0 {
		_, err := s.db.Exec(ctx, `
			UPDATE elastic_keys SET refused_uses = refused_uses + $3, refused_at = CASE WHEN refused_at < $4 THEN $4 ELSE refused_at END
			WHERE tenant_id = $1 AND id = $2 AND status = 'pending_delete'`, tenant, of.ElasticKeyID, of.Count, last)
		return err
	}
	count := of.Count
	if of.Counted {
		count = 0
	}
	_, err := s.db.Exec(ctx, `
		UPDATE material_keys
		SET use_count = use_count + $4, byte_count = byte_count + $5, last_used_at = CASE WHEN last_used_at < $6 THEN $6 ELSE last_used_at END
		WHERE tenant_id = $1 AND elastic_key_id = $2 AND version = $3`,
		tenant, of.ElasticKeyID, of.Version, count, of.Bytes, last)
	return err
}

// numberedUses is what a version of a number has done.
type numberedUses struct {
	version int64
	uses    keyring.Uses
}

// Uses implements keyring.UseStore.
func (s *Store) Uses(ctx context.Context, tenant, elasticID string, below int64, limit int) (map[int64]keyring.Uses, error) {
	rows, err := s.db.Query(database.WithTenant(ctx, tenant), `
		SELECT version, use_count, byte_count, last_used_at FROM material_keys
		WHERE tenant_id = $1 AND elastic_key_id = $2 AND ($3 = 0 OR version < $3)
		ORDER BY version DESC
		LIMIT $4`, tenant, elasticID, below, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("select uses: %w", err)
	}
	list, err := database.Collect(rows, func(r database.Scanner) (n numberedUses, err error) {
		var last int64
		err = r.Scan(&n.version, &n.uses.Count, &n.uses.Bytes, &last)
		n.uses.LastUsedAt = database.Time(last)
		return n, err
	})
	uses := make(map[int64]keyring.Uses, len(list))
	for _, n := range list {
		uses[n.version] = n.uses
	}
	return uses, err
}

// RefusedUses implements keyring.UseStore.
func (s *Store) RefusedUses(ctx context.Context, tenant, elasticID string) (uses keyring.Uses, err error) {
	var last int64
	err = s.db.QueryRow(database.WithTenant(ctx, tenant), `
		SELECT refused_uses, refused_at FROM elastic_keys WHERE tenant_id = $1 AND id = $2`, tenant, elasticID).Scan(&uses.Count, &last)
	uses.LastUsedAt = database.Time(last)
	if err != nil {
		return keyring.Uses{}, notFound(err)
	}
	return uses, nil
}
