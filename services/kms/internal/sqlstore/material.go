package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// materialColumns are the columns of a material key, in the order of materialTarget.columns.
const materialColumns = `m.tenant_id, m.elastic_key_id, m.version, m.id, m.status, m.origin, m.exportable, m.wrapped_key, m.commitment,
	m.was_compromised, m.destroy_at, m.expires_at, m.use_count, m.byte_count, m.last_used_at, m.created_at, m.updated_at, m.seal`

// materialReturned are the same columns for RETURNING.
const materialReturned = `tenant_id, elastic_key_id, version, id, status, origin, exportable, wrapped_key, commitment,
	was_compromised, destroy_at, expires_at, use_count, byte_count, last_used_at, created_at, updated_at, seal`

// InsertMaterialKey implements keyring.MaterialKeyStore.
func (s *Store) InsertMaterialKey(ctx context.Context, key keyring.MaterialKey) error {
	seal, err := s.sealMaterial(key)
	if err != nil {
		return err
	}
	_, err = s.db.Exec(database.WithTenant(ctx, key.Tenant), `
		INSERT INTO material_keys (tenant_id, elastic_key_id, version, id, status, origin, exportable, wrapped_key, commitment, was_compromised,
			destroy_at, expires_at, use_count, byte_count, last_used_at, created_at, updated_at, seal)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, 0, 0, $13, $14, $15)`,
		key.Tenant, key.ElasticKeyID, key.Version, key.ID, string(key.Status), string(key.Origin), key.Exportable, key.WrappedKey, key.Commitment,
		key.WasCompromised, database.Micros(key.DestroyAt), database.Micros(key.ExpiresAt), database.Micros(key.CreatedAt), database.Micros(key.UpdatedAt), seal)
	if err != nil {
		return fmt.Errorf("insert material key: %w", err)
	}
	return nil
}

// MaterialKeys implements keyring.MaterialKeyStore.
func (s *Store) MaterialKeys(ctx context.Context, tenant, elasticID string, below int64, limit int) ([]keyring.MaterialKey, error) {
	rows, err := s.db.Query(database.WithTenant(ctx, tenant), `
		SELECT `+materialColumns+`
		FROM material_keys m
		WHERE m.tenant_id = $1 AND m.elastic_key_id = $2 AND ($3 = 0 OR m.version < $3)
		ORDER BY m.version DESC
		LIMIT $4`,
		tenant, elasticID, below, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("select material keys: %w", err)
	}
	return database.Collect(rows, s.scanMaterial)
}

// AllMaterialKeys implements keyring.MaterialKeyStore.
func (s *Store) AllMaterialKeys(
	ctx context.Context, tenant string, filter keyring.VersionFilter, afterID string, limit int,
) ([]keyring.ListedVersion, error) {
	rows, err := s.db.Query(database.WithTenant(ctx, tenant), `
		SELECT `+materialColumns+`, e.primary_version = m.version
		FROM material_keys m
		JOIN elastic_keys e ON e.tenant_id = m.tenant_id AND e.id = m.elastic_key_id
		WHERE m.tenant_id = $1 AND m.id > $2 AND ($3 = '' OR m.status = $3) AND ($4 = '' OR e.algorithm = $4) AND e.status <> 'deleted'
		ORDER BY m.id
		LIMIT $5`,
		tenant, afterID, string(filter.Status), filter.Algorithm, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("select material keys of all keys: %w", err)
	}
	return database.Collect(rows, func(r database.Scanner) (listed keyring.ListedVersion, err error) {
		var target materialTarget
		if err := r.Scan(append(target.columns(), &listed.Primary)...); err != nil {
			return keyring.ListedVersion{}, fmt.Errorf("read material key: %w", err)
		}
		listed.MaterialKey, err = s.material(&target)
		return listed, err
	})
}

// MaterialKeyByID implements keyring.MaterialKeyStore.
func (s *Store) MaterialKeyByID(ctx context.Context, tenant, elasticID, id string) (keyring.MaterialKey, error) {
	key, err := s.scanMaterial(s.db.QueryRow(database.WithTenant(ctx, tenant), `
		SELECT `+materialColumns+`
		FROM material_keys m
		WHERE m.tenant_id = $1 AND m.elastic_key_id = $2 AND m.id = $3`,
		tenant, elasticID, id))
	if err != nil {
		return keyring.MaterialKey{}, notFound(err)
	}
	return key, nil
}

// KeyVersion implements keyring.MaterialKeyStore.
func (s *Store) KeyVersion(ctx context.Context, tenant string, ref keyring.Ref, version int64) (keyring.ElasticKey, keyring.MaterialKey, error) {
	ctx = database.WithTenant(ctx, tenant)
	var elastic elasticTarget
	var material materialTarget
	var name nameTarget
	columns := append(elastic.columns(), material.columns()...)
	var err error
	if id, ok := ref.ID(); ok {
		err = s.db.QueryRow(ctx, selectVersionByID, tenant, id, version).Scan(columns...)
	} else {
		err = s.db.QueryRow(ctx, selectVersionByName, tenant, string(ref), version).Scan(append(columns, name.columns()...)...)
		if err == nil {
			err = s.named(&name)
		}
	}
	if err != nil {
		return keyring.ElasticKey{}, keyring.MaterialKey{}, notFound(err)
	}
	return s.ring(&elastic, &material)
}

// ring is a key with one of its versions, if their rows are as the service left them.
func (s *Store) ring(elastic *elasticTarget, material *materialTarget) (keyring.ElasticKey, keyring.MaterialKey, error) {
	key, err := s.elastic(elastic)
	if err != nil {
		return keyring.ElasticKey{}, keyring.MaterialKey{}, err
	}
	version, err := s.material(material)
	if err != nil {
		return keyring.ElasticKey{}, keyring.MaterialKey{}, err
	}
	return key, version, nil
}

const (
	selectVersionByID = `
		SELECT ` + elasticColumns + `, ` + materialColumns + `
		FROM elastic_keys e
		JOIN material_keys m ON m.tenant_id = e.tenant_id AND m.elastic_key_id = e.id
		WHERE e.tenant_id = $1 AND e.id = $2 AND m.version = CASE WHEN $3 = 0 THEN e.primary_version ELSE $3 END`
	selectVersionByName = `
		SELECT ` + elasticColumns + `, ` + materialColumns + `, ` + nameColumns + `
		FROM key_names n
		JOIN elastic_keys e ON e.tenant_id = n.tenant_id AND e.id = n.elastic_key_id
		JOIN material_keys m ON m.tenant_id = e.tenant_id AND m.elastic_key_id = e.id
		WHERE n.tenant_id = $1 AND n.name = $2 AND m.version = CASE WHEN $3 = 0 THEN e.primary_version ELSE $3 END`
)

// MoveMaterialKey implements keyring.MaterialKeyStore.
func (s *Store) MoveMaterialKey(
	ctx context.Context, key keyring.MaterialKey, t keyring.Transition[keyring.VersionStatus], destroyAt, now time.Time,
) (keyring.MaterialKey, error) {
	return s.moveMaterial(ctx, key, t, destroyAt, now, time.Time{})
}

// EndMaterialKey implements keyring.DueStore.
func (s *Store) EndMaterialKey(
	ctx context.Context, key keyring.MaterialKey, t keyring.Transition[keyring.VersionStatus], due, now time.Time,
) (keyring.MaterialKey, error) {
	return s.moveMaterial(ctx, key, t, time.Time{}, now, due)
}

// moveMaterial changes a state; where due is given, only if the destruction or the expiry was to come by then.
func (s *Store) moveMaterial(
	ctx context.Context, key keyring.MaterialKey, t keyring.Transition[keyring.VersionStatus], destroyAt, now, due time.Time,
) (moved keyring.MaterialKey, err error) {
	from := states(t)
	// A version that was compromised comes back from its scheduled destruction as what it was.
	err = s.db.InTx(database.WithTenant(ctx, key.Tenant), func(ctx context.Context) error {
		moved, err = s.changeMaterial(ctx, key, `
			UPDATE material_keys AS m
			SET status = CASE WHEN $4 = 'disabled' AND was_compromised THEN 'compromised' ELSE $4 END,
				was_compromised = was_compromised OR $4 = 'compromised',
				wrapped_key = CASE WHEN $4 IN ('destroyed', 'pending_import') THEN '' ELSE wrapped_key END,
				expires_at = CASE WHEN $4 IN ('destroyed', 'pending_import') THEN 0 ELSE expires_at END,
				destroy_at = $5, updated_at = $6
			WHERE tenant_id = $1 AND elastic_key_id = $2 AND version = $3 AND status IN ($7, $8, $9, $10, $11)
				AND (CAST($12 AS BIGINT) = 0 OR (destroy_at > 0 AND destroy_at <= $12) OR (destroy_at = 0 AND expires_at > 0 AND expires_at <= $12))
				AND EXISTS (SELECT 1 FROM elastic_keys e WHERE e.tenant_id = $1 AND e.id = $2 AND e.status <> 'deleted')
			RETURNING `+materialReturned,
			key.Tenant, key.ElasticKeyID, key.Version, string(t.To), database.Micros(destroyAt), database.Micros(now), from[0], from[1], from[2], from[3], from[4], database.Micros(due))
		if err != nil {
			return err
		}
		return s.noteKey(ctx, key.Tenant, key.ElasticKeyID)
	})
	return moved, stale("move material key", err)
}

// FillMaterialKey implements keyring.MaterialKeyStore.
func (s *Store) FillMaterialKey(ctx context.Context, key keyring.MaterialKey) error {
	err := s.db.InTx(database.WithTenant(ctx, key.Tenant), func(ctx context.Context) error {
		_, err := s.changeMaterial(ctx, key, `
			UPDATE material_keys AS m
			SET status = 'enabled', wrapped_key = $4, expires_at = $5, updated_at = $6
			WHERE tenant_id = $1 AND elastic_key_id = $2 AND version = $3 AND status = 'pending_import'
			RETURNING `+materialReturned,
			key.Tenant, key.ElasticKeyID, key.Version, key.WrappedKey, database.Micros(key.ExpiresAt), database.Micros(key.UpdatedAt))
		if err != nil {
			return err
		}
		return s.noteKey(ctx, key.Tenant, key.ElasticKeyID)
	})
	return stale("fill material key", err)
}

// materialTarget receives the columns of a material key.
type materialTarget struct {
	key                              keyring.MaterialKey
	status, origin                   string
	destroy, expires, created, saved int64
	used                             int64 // when last
	seal                             string
}

func (t *materialTarget) columns() []any {
	k := &t.key
	return []any{
		&k.Tenant, &k.ElasticKeyID, &k.Version, &k.ID, &t.status, &t.origin, &k.Exportable, &k.WrappedKey, &k.Commitment,
		&k.WasCompromised, &t.destroy, &t.expires, &k.Uses.Count, &k.Uses.Bytes, &t.used, &t.created, &t.saved, &t.seal,
	}
}

func (t *materialTarget) material() keyring.MaterialKey {
	k := &t.key
	k.Status, k.Origin = keyring.VersionStatus(t.status), keyring.Origin(t.origin)
	k.DestroyAt, k.ExpiresAt = database.Time(t.destroy), database.Time(t.expires)
	k.Uses.LastUsedAt = database.Time(t.used)
	k.CreatedAt, k.UpdatedAt = database.Time(t.created), database.Time(t.saved)
	return *k
}

func (s *Store) scanMaterial(r database.Scanner) (keyring.MaterialKey, error) {
	var target materialTarget
	if err := r.Scan(target.columns()...); err != nil {
		return keyring.MaterialKey{}, fmt.Errorf("read material key: %w", err)
	}
	return s.material(&target)
}
