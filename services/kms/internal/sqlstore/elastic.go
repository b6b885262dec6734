package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// InsertElasticKey implements keyring.ElasticKeyStore.
func (s *Store) InsertElasticKey(ctx context.Context, key keyring.ElasticKey) error {
	ctx = database.WithTenant(ctx, key.Tenant)
	_, err := s.db.Exec(ctx, `
		INSERT INTO elastic_keys (tenant_id, id, name, description, algorithm, key_size, curve, key_use, status,
			primary_version, version_count, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		key.Tenant, key.ID, key.Name, key.Description, key.Algorithm, int64(key.KeySize), key.Curve, string(key.Use), string(key.Status),
		key.PrimaryVersion, key.VersionCount, database.Micros(key.CreatedAt), database.Micros(key.UpdatedAt))
	if database.IsUniqueViolation(err) {
		return keyring.ErrNameTaken
	}
	if err != nil {
		return fmt.Errorf("insert elastic key: %w", err)
	}
	return nil
}

// ElasticKey implements keyring.ElasticKeyStore.
func (s *Store) ElasticKey(ctx context.Context, tenant string, ref keyring.Ref) (keyring.ElasticKey, error) {
	ctx = database.WithTenant(ctx, tenant)
	query, value := selectElasticByName, string(ref)
	if id, ok := ref.ID(); ok {
		query, value = selectElasticByID, id
	}
	key, err := scanElastic(s.db.QueryRow(ctx, query, tenant, value))
	if err != nil {
		return keyring.ElasticKey{}, notFound(err)
	}
	return key, nil
}

const (
	selectElasticByID = `
		SELECT tenant_id, id, name, description, algorithm, key_size, curve, key_use, status, primary_version, version_count, created_at, updated_at
		FROM elastic_keys WHERE tenant_id = $1 AND id = $2`
	selectElasticByName = `
		SELECT tenant_id, id, name, description, algorithm, key_size, curve, key_use, status, primary_version, version_count, created_at, updated_at
		FROM elastic_keys WHERE tenant_id = $1 AND name = $2`
)

// ElasticKeys implements keyring.ElasticKeyStore.
func (s *Store) ElasticKeys(ctx context.Context, tenant string, filter keyring.Filter, afterID string, limit int) ([]keyring.ElasticKey, error) {
	ctx = database.WithTenant(ctx, tenant)
	rows, err := s.db.Query(ctx, `
		SELECT tenant_id, id, name, description, algorithm, key_size, curve, key_use, status, primary_version, version_count, created_at, updated_at
		FROM elastic_keys
		WHERE tenant_id = $1 AND id > $2
			AND ($3 = '' OR name = $3) AND ($4 = '' OR algorithm = $4) AND ($5 = '' OR status = $5)
		ORDER BY id
		LIMIT $6`,
		tenant, afterID, filter.Name, filter.Algorithm, string(filter.Status), int64(limit))
	if err != nil {
		return nil, fmt.Errorf("select elastic keys: %w", err)
	}
	return collect(rows, scanElastic)
}

// AddVersion implements keyring.ElasticKeyStore.
func (s *Store) AddVersion(ctx context.Context, key keyring.ElasticKey, ifPrimary int64) (int64, error) {
	ctx = database.WithTenant(ctx, key.Tenant)
	var version int64
	err := s.db.InTx(ctx, func(ctx context.Context) error {
		err := s.db.QueryRow(ctx, `
			UPDATE elastic_keys
			SET version_count = version_count + 1, primary_version = version_count + 1, updated_at = $4
			WHERE tenant_id = $1 AND id = $2 AND status = $3 AND ($5 = 0 OR primary_version = $5)
			RETURNING version_count`,
			key.Tenant, key.ID, string(key.Status), database.Micros(key.UpdatedAt), ifPrimary).Scan(&version)
		if err != nil {
			return err
		}
		return changes.Note(ctx, s.db, key.Tenant, changeKey, key.ID)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return 0, keyring.ErrStale
	}
	if err != nil {
		return 0, fmt.Errorf("add version: %w", err)
	}
	return version, nil
}

// row is what sql.Row and sql.Rows have in common.
type row interface {
	Scan(dest ...any) error
}

// elasticTarget receives the columns of an elastic key.
type elasticTarget struct {
	key              keyring.ElasticKey
	size             int64
	use, status      string
	created, updated int64
}

func (t *elasticTarget) columns() []any {
	k := &t.key
	return []any{
		&k.Tenant, &k.ID, &k.Name, &k.Description, &k.Algorithm, &t.size, &k.Curve, &t.use, &t.status,
		&k.PrimaryVersion, &k.VersionCount, &t.created, &t.updated,
	}
}

func (t *elasticTarget) elastic() keyring.ElasticKey {
	t.key.KeySize = int(t.size)
	t.key.Use = alg.Use(t.use)
	t.key.Status = keyring.ElasticStatus(t.status)
	t.key.CreatedAt, t.key.UpdatedAt = database.Time(t.created), database.Time(t.updated)
	return t.key
}

func scanElastic(r row) (keyring.ElasticKey, error) {
	var target elasticTarget
	if err := r.Scan(target.columns()...); err != nil {
		return keyring.ElasticKey{}, fmt.Errorf("read elastic key: %w", err)
	}
	return target.elastic(), nil
}

// collect reads every row and closes rows.
func collect[T any](rows *sql.Rows, scan func(row) (T, error)) ([]T, error) {
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read rows: %w", err)
	}
	return all, nil
}
