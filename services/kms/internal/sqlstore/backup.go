package sqlstore

import (
	"context"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// EveryElasticKey implements keyring.BackupStore.
func (s *Store) EveryElasticKey(ctx context.Context, tenant, after string, limit int) ([]keyring.ElasticKey, error) {
	rows, err := s.db.Query(database.WithTenant(ctx, tenant), `
		SELECT `+elasticColumns+` FROM elastic_keys e WHERE e.tenant_id = $1 AND e.id > $2 ORDER BY e.id LIMIT $3`, tenant, after, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("select every elastic key: %w", err)
	}
	return database.Collect(rows, s.scanElastic)
}

// HoldElasticKey implements keyring.BackupStore. Each statement of a transaction on PostgreSQL sees what others have committed by then; an
// update of the row keeps them out on both engines.
func (s *Store) HoldElasticKey(ctx context.Context, tenant, id string) (key keyring.ElasticKey, err error) {
	err = s.db.InTx(database.WithTenant(ctx, tenant), func(ctx context.Context) error {
		key, err = s.scanElastic(s.db.QueryRow(ctx, `
			UPDATE elastic_keys AS e SET revision = revision WHERE tenant_id = $1 AND id = $2 RETURNING `+elasticReturned, tenant, id))
		return err
	})
	return key, notFound(err)
}

// RestoreKey implements keyring.BackupStore.
func (s *Store) RestoreKey(
	ctx context.Context, key keyring.ElasticKey, versions []keyring.MaterialKey, aliases []keyring.Alias, digest string,
) error {
	err := s.db.InTx(database.WithTenant(ctx, key.Tenant), func(ctx context.Context) error {
		if err := s.InsertElasticKey(ctx, key); err != nil {
			return err
		}
		if key.Status == keyring.ElasticDeleted { // it has no names
			if _, err := s.db.Exec(ctx, `DELETE FROM key_names WHERE tenant_id = $1 AND elastic_key_id = $2`, key.Tenant, key.ID); err != nil {
				return err
			}
		}
		if _, err := s.db.Exec(ctx, `UPDATE elastic_keys SET delete_at = $3 WHERE tenant_id = $1 AND id = $2`, key.Tenant, key.ID, database.Micros(key.DeleteAt)); err != nil {
			return err
		}
		for _, version := range versions {
			if err := s.InsertMaterialKey(ctx, version); err != nil {
				return err
			}
			_, err := s.db.Exec(ctx, `
				UPDATE material_keys SET use_count = $4, byte_count = $5, last_used_at = $6
				WHERE tenant_id = $1 AND elastic_key_id = $2 AND version = $3`,
				key.Tenant, key.ID, version.Version, version.Uses.Count, version.Uses.Bytes, database.Micros(version.Uses.LastUsedAt))
			if err != nil {
				return err
			}
		}
		for _, alias := range aliases {
			if err := s.InsertAlias(ctx, alias); err != nil {
				return err
			}
		}
		_, err := s.db.Exec(ctx, `
			INSERT INTO restored_keys (tenant_id, elastic_key_id, digest, restored_at) VALUES ($1, $2, $3, $4)`,
			key.Tenant, key.ID, digest, database.Micros(key.UpdatedAt))
		if err != nil {
			return err
		}
		return s.noteKey(ctx, key.Tenant, key.ID)
	})
	if database.IsUniqueViolation(err) {
		return keyring.ErrNameTaken
	}
	if err != nil {
		return fmt.Errorf("restore key: %w", err)
	}
	return nil
}

// RestoredDigest implements keyring.BackupStore.
func (s *Store) RestoredDigest(ctx context.Context, tenant, elasticID string) (digest string, err error) {
	err = s.db.QueryRow(database.WithTenant(ctx, tenant), `
		SELECT digest FROM restored_keys WHERE tenant_id = $1 AND elastic_key_id = $2`, tenant, elasticID).Scan(&digest)
	return digest, notFound(err)
}

// InsertRecipient implements keyring.BackupStore. It takes the expired ones of the tenant away.
func (s *Store) InsertRecipient(ctx context.Context, r keyring.RestoreRecipient) error {
	err := s.db.InTx(database.WithTenant(ctx, r.Tenant), func(ctx context.Context) error {
		if _, err := s.db.Exec(ctx, `DELETE FROM restore_recipients WHERE tenant_id = $1 AND expires_at <= $2`, r.Tenant, database.Micros(r.CreatedAt)); err != nil {
			return err
		}
		_, err := s.db.Exec(ctx, `
			INSERT INTO restore_recipients (tenant_id, id, wrapped_key, used_for, report, created_at, expires_at) VALUES ($1, $2, $3, '', '', $4, $5)`,
			r.Tenant, r.ID, r.WrappedKey, database.Micros(r.CreatedAt), database.Micros(r.ExpiresAt))
		return err
	})
	if err != nil {
		return fmt.Errorf("insert recipient: %w", err)
	}
	return nil
}

// Recipient implements keyring.BackupStore.
func (s *Store) Recipient(ctx context.Context, tenant, id string) (r keyring.RestoreRecipient, err error) {
	var created, expires int64
	err = s.db.QueryRow(database.WithTenant(ctx, tenant), `
		SELECT tenant_id, id, wrapped_key, used_for, report, created_at, expires_at FROM restore_recipients WHERE tenant_id = $1 AND id = $2`, tenant, id).
		Scan(&r.Tenant, &r.ID, &r.WrappedKey, &r.UsedFor, &r.Report, &created, &expires)
	r.CreatedAt, r.ExpiresAt = database.Time(created), database.Time(expires)
	return r, notFound(err)
}

// UseRecipient implements keyring.BackupStore.
func (s *Store) UseRecipient(ctx context.Context, r keyring.RestoreRecipient) error {
	err := s.db.InTx(database.WithTenant(ctx, r.Tenant), func(ctx context.Context) error {
		var id string
		return s.db.QueryRow(ctx, `
			UPDATE restore_recipients SET wrapped_key = '', used_for = $3, report = $4
			WHERE tenant_id = $1 AND id = $2 AND wrapped_key <> '' RETURNING id`, r.Tenant, r.ID, r.UsedFor, r.Report).Scan(&id)
	})
	return stale("use recipient", err)
}
