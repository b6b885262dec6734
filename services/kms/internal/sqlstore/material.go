package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// InsertMaterialKey implements keyring.MaterialKeyStore.
func (s *Store) InsertMaterialKey(ctx context.Context, key keyring.MaterialKey) error {
	ctx = database.WithTenant(ctx, key.Tenant)
	_, err := s.db.Exec(ctx, `
		INSERT INTO material_keys (tenant_id, elastic_key_id, version, id, status, origin, exportable, wrapped_key, use_count, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9)`,
		key.Tenant, key.ElasticKeyID, key.Version, key.ID, string(key.Status), string(key.Origin), key.Exportable, key.WrappedKey,
		database.Micros(key.CreatedAt))
	if err != nil {
		return fmt.Errorf("insert material key: %w", err)
	}
	return nil
}

// MaterialKeys implements keyring.MaterialKeyStore.
func (s *Store) MaterialKeys(ctx context.Context, tenant, elasticID string, below int64, limit int) ([]keyring.MaterialKey, error) {
	ctx = database.WithTenant(ctx, tenant)
	rows, err := s.db.Query(ctx, `
		SELECT tenant_id, elastic_key_id, version, id, status, origin, exportable, wrapped_key, created_at
		FROM material_keys
		WHERE tenant_id = $1 AND elastic_key_id = $2 AND ($3 = 0 OR version < $3)
		ORDER BY version DESC
		LIMIT $4`,
		tenant, elasticID, below, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("select material keys: %w", err)
	}
	return collect(rows, scanMaterial)
}

// MaterialKeyByID implements keyring.MaterialKeyStore.
func (s *Store) MaterialKeyByID(ctx context.Context, tenant, elasticID, id string) (keyring.MaterialKey, error) {
	ctx = database.WithTenant(ctx, tenant)
	key, err := scanMaterial(s.db.QueryRow(ctx, `
		SELECT tenant_id, elastic_key_id, version, id, status, origin, exportable, wrapped_key, created_at
		FROM material_keys
		WHERE tenant_id = $1 AND elastic_key_id = $2 AND id = $3`,
		tenant, elasticID, id))
	if err != nil {
		return keyring.MaterialKey{}, notFound(err)
	}
	return key, nil
}

// KeyVersion implements keyring.MaterialKeyStore.
func (s *Store) KeyVersion(ctx context.Context, tenant string, ref keyring.Ref, version int64) (keyring.ElasticKey, keyring.MaterialKey, error) {
	ctx = database.WithTenant(ctx, tenant)
	query, value := selectVersionByName, string(ref)
	if id, ok := ref.ID(); ok {
		query, value = selectVersionByID, id
	}
	var elastic elasticTarget
	var material materialTarget
	err := s.db.QueryRow(ctx, query, tenant, value, version).Scan(append(elastic.columns(), material.columns()...)...)
	if err != nil {
		return keyring.ElasticKey{}, keyring.MaterialKey{}, notFound(err)
	}
	return elastic.elastic(), material.material(), nil
}

const (
	selectVersionByID = `
		SELECT e.tenant_id, e.id, e.name, e.description, e.algorithm, e.key_size, e.curve, e.key_use, e.status, e.primary_version, e.version_count,
			e.created_at, e.updated_at,
			m.tenant_id, m.elastic_key_id, m.version, m.id, m.status, m.origin, m.exportable, m.wrapped_key, m.created_at
		FROM elastic_keys e
		JOIN material_keys m ON m.tenant_id = e.tenant_id AND m.elastic_key_id = e.id
		WHERE e.tenant_id = $1 AND e.id = $2 AND m.version = CASE WHEN $3 = 0 THEN e.primary_version ELSE $3 END`
	selectVersionByName = `
		SELECT e.tenant_id, e.id, e.name, e.description, e.algorithm, e.key_size, e.curve, e.key_use, e.status, e.primary_version, e.version_count,
			e.created_at, e.updated_at,
			m.tenant_id, m.elastic_key_id, m.version, m.id, m.status, m.origin, m.exportable, m.wrapped_key, m.created_at
		FROM elastic_keys e
		JOIN material_keys m ON m.tenant_id = e.tenant_id AND m.elastic_key_id = e.id
		WHERE e.tenant_id = $1 AND e.name = $2 AND m.version = CASE WHEN $3 = 0 THEN e.primary_version ELSE $3 END`
)

// ReserveUses implements keyring.MaterialKeyStore.
func (s *Store) ReserveUses(ctx context.Context, key keyring.MaterialKey, n int64) (int64, error) {
	ctx = database.WithTenant(ctx, key.Tenant)
	var total int64
	err := s.db.InTx(ctx, func(ctx context.Context) error {
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

// materialTarget receives the columns of a material key.
type materialTarget struct {
	key            keyring.MaterialKey
	status, origin string
	created        int64
}

func (t *materialTarget) columns() []any {
	k := &t.key
	return []any{&k.Tenant, &k.ElasticKeyID, &k.Version, &k.ID, &t.status, &t.origin, &k.Exportable, &k.WrappedKey, &t.created}
}

func (t *materialTarget) material() keyring.MaterialKey {
	t.key.Status = keyring.VersionStatus(t.status)
	t.key.Origin = keyring.Origin(t.origin)
	t.key.CreatedAt = database.Time(t.created)
	return t.key
}

func scanMaterial(r row) (keyring.MaterialKey, error) {
	var target materialTarget
	if err := r.Scan(target.columns()...); err != nil {
		return keyring.MaterialKey{}, fmt.Errorf("read material key: %w", err)
	}
	return target.material(), nil
}
