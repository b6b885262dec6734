package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// elasticColumns are the columns of an elastic key, in the order of elasticTarget.columns.
const elasticColumns = `e.tenant_id, e.id, e.name, e.description, e.tags, e.algorithm, e.key_size, e.curve, e.key_use, e.status, e.origin, e.exportable,
	e.published, e.versioning_allowed, e.import_allowed, e.primary_version, e.version_count, e.min_decrypt_version, e.min_encrypt_version, e.policy,
	e.rotation_every, e.rotation_uses, e.rotation_bytes, e.notify_before, e.next_rotation_at, e.delete_at, e.refused_uses, e.refused_at,
	e.created_at, e.updated_at, e.revision, e.seal`

// elasticReturned are the same columns as SQLite wants them after RETURNING: without the name of a table.
const elasticReturned = `tenant_id, id, name, description, tags, algorithm, key_size, curve, key_use, status, origin, exportable,
	published, versioning_allowed, import_allowed, primary_version, version_count, min_decrypt_version, min_encrypt_version, policy,
	rotation_every, rotation_uses, rotation_bytes, notify_before, next_rotation_at, delete_at, refused_uses, refused_at,
	created_at, updated_at, revision, seal`

// InsertElasticKey implements keyring.ElasticKeyStore.
func (s *Store) InsertElasticKey(ctx context.Context, key keyring.ElasticKey) error {
	tags, policy, err := encodeElastic(key)
	if err != nil {
		return err
	}
	seal, err := s.sealElastic(key, tags, policy)
	if err != nil {
		return err
	}
	nameSeal, err := s.sealName(key.Tenant, key.Name, key.ID, false)
	if err != nil {
		return err
	}
	err = s.db.InTx(database.WithTenant(ctx, key.Tenant), func(ctx context.Context) error {
		_, err := s.db.Exec(ctx, `
			INSERT INTO elastic_keys (tenant_id, id, name, description, tags, algorithm, key_size, curve, key_use, status, origin, exportable,
				published, versioning_allowed, import_allowed, primary_version, version_count, min_decrypt_version, min_encrypt_version, policy,
				rotation_every, rotation_uses, rotation_bytes, notify_before, next_rotation_at, notified_at, delete_at, refused_uses, refused_at,
				created_at, updated_at, revision, seal)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, 0, 0, 0, 0, $26, $27, 1, $28)`,
			key.Tenant, key.ID, key.Name, key.Description, tags, key.Algorithm, int64(key.KeySize), key.Curve, string(key.Use), string(key.Status),
			string(key.Origin), key.Exportable, key.Published, key.VersioningAllowed, key.ImportAllowed, key.PrimaryVersion, key.VersionCount,
			key.MinDecryptVersion, key.MinEncryptVersion, policy,
			key.Rotation.Every.Microseconds(), key.Rotation.Uses, key.Rotation.Bytes, key.Rotation.NotifyBefore.Microseconds(), database.Micros(key.NextRotationAt),
			database.Micros(key.CreatedAt), database.Micros(key.UpdatedAt), seal)
		if err != nil {
			return err
		}
		_, err = s.db.Exec(ctx, `
			INSERT INTO key_names (tenant_id, name, elastic_key_id, alias, revision, created_at, updated_at, seal)
			VALUES ($1, $2, $3, FALSE, 1, $4, $4, $5)`, key.Tenant, key.Name, key.ID, database.Micros(key.CreatedAt), nameSeal)
		if err != nil {
			return err
		}
		if err := s.insertTags(ctx, key); err != nil || !key.Published {
			return err
		}
		return s.noteKey(ctx, key.Tenant, key.ID) // that the tenant's JWK Set was without it is a fact that others keep
	})
	if database.IsUniqueViolation(err) {
		return keyring.ErrNameTaken
	}
	if err != nil {
		return fmt.Errorf("insert elastic key: %w", err)
	}
	return nil
}

func (s *Store) insertTags(ctx context.Context, key keyring.ElasticKey) error {
	for name, value := range key.Tags {
		_, err := s.db.Exec(ctx, `
			INSERT INTO key_tags (tenant_id, name, value, elastic_key_id) VALUES ($1, $2, $3, $4)`, key.Tenant, name, value, key.ID)
		if err != nil {
			return fmt.Errorf("insert tag: %w", err)
		}
	}
	return nil
}

// ElasticKey implements keyring.ElasticKeyStore.
func (s *Store) ElasticKey(ctx context.Context, tenant string, ref keyring.Ref) (keyring.ElasticKey, error) {
	ctx = database.WithTenant(ctx, tenant)
	if id, ok := ref.ID(); ok {
		key, err := s.scanElastic(s.db.QueryRow(ctx, selectElasticByID, tenant, id))
		return key, notFound(err)
	}
	var target elasticTarget
	var name nameTarget
	if err := s.db.QueryRow(ctx, selectElasticByName, tenant, string(ref)).Scan(append(target.columns(), name.columns()...)...); err != nil {
		return keyring.ElasticKey{}, notFound(fmt.Errorf("read elastic key: %w", err))
	}
	if err := s.named(&name); err != nil {
		return keyring.ElasticKey{}, err
	}
	return s.elastic(&target)
}

const (
	selectElasticByID   = `SELECT ` + elasticColumns + ` FROM elastic_keys e WHERE e.tenant_id = $1 AND e.id = $2`
	selectElasticByName = `
		SELECT ` + elasticColumns + `, ` + nameColumns + `
		FROM key_names n
		JOIN elastic_keys e ON e.tenant_id = n.tenant_id AND e.id = n.elastic_key_id
		WHERE n.tenant_id = $1 AND n.name = $2`
)

// UpdateElasticKey implements keyring.ElasticKeyStore.
func (s *Store) UpdateElasticKey(ctx context.Context, key keyring.ElasticKey) (changed keyring.ElasticKey, err error) {
	tags, policy, err := encodeElastic(key)
	if err != nil {
		return keyring.ElasticKey{}, err
	}
	err = s.db.InTx(database.WithTenant(ctx, key.Tenant), func(ctx context.Context) error {
		changed, err = s.changeElastic(ctx, key.Tenant, key.ID, `
			UPDATE elastic_keys AS e
			SET description = $4, tags = $5, policy = $6, min_decrypt_version = $7, min_encrypt_version = $8,
				versioning_allowed = $9, import_allowed = $10, rotation_every = $11, rotation_uses = $12, rotation_bytes = $13,
				notify_before = $14, next_rotation_at = $15, updated_at = $16, published = $17, revision = revision + 1
			WHERE tenant_id = $1 AND id = $2 AND revision = $3 AND status NOT IN ('pending_delete', 'deleted')
			RETURNING `+elasticReturned,
			key.Tenant, key.ID, key.Revision, key.Description, tags, policy, key.MinDecryptVersion, key.MinEncryptVersion,
			key.VersioningAllowed, key.ImportAllowed, key.Rotation.Every.Microseconds(), key.Rotation.Uses, key.Rotation.Bytes,
			key.Rotation.NotifyBefore.Microseconds(), database.Micros(key.NextRotationAt), database.Micros(key.UpdatedAt), key.Published)
		if err != nil {
			return err
		}
		if _, err := s.db.Exec(ctx, `DELETE FROM key_tags WHERE tenant_id = $1 AND elastic_key_id = $2`, key.Tenant, key.ID); err != nil {
			return fmt.Errorf("delete tags: %w", err)
		}
		if err := s.insertTags(ctx, key); err != nil {
			return err
		}
		return s.noteKey(ctx, key.Tenant, key.ID)
	})
	return changed, stale("update elastic key", err)
}

// MoveElasticKey implements keyring.ElasticKeyStore.
func (s *Store) MoveElasticKey(
	ctx context.Context, tenant, id string, t keyring.Transition[keyring.ElasticStatus], deleteAt, now time.Time,
) (keyring.ElasticKey, error) {
	return s.moveElastic(ctx, tenant, id, t, deleteAt, now, time.Time{})
}

// DeleteElasticKey implements keyring.DueStore.
func (s *Store) DeleteElasticKey(
	ctx context.Context, tenant, id string, t keyring.Transition[keyring.ElasticStatus], due, now time.Time,
) (keyring.ElasticKey, error) {
	return s.moveElastic(ctx, tenant, id, t, time.Time{}, now, due)
}

// moveElastic changes a state; where due is given, only if the end was to come by then.
func (s *Store) moveElastic(
	ctx context.Context, tenant, id string, t keyring.Transition[keyring.ElasticStatus], deleteAt, now, due time.Time,
) (moved keyring.ElasticKey, err error) {
	from := states(t)
	err = s.db.InTx(database.WithTenant(ctx, tenant), func(ctx context.Context) error {
		moved, err = s.changeElastic(ctx, tenant, id, `
			UPDATE elastic_keys AS e
			SET status = $3, delete_at = $4, updated_at = $5, revision = revision + 1,
				refused_uses = CASE WHEN $3 = 'pending_delete' THEN 0 ELSE refused_uses END,
				refused_at = CASE WHEN $3 = 'pending_delete' THEN 0 ELSE refused_at END
			WHERE tenant_id = $1 AND id = $2 AND status IN ($6, $7, $8, $9, $10) AND (CAST($11 AS BIGINT) = 0 OR (delete_at > 0 AND delete_at <= $11))
			RETURNING `+elasticReturned,
			tenant, id, string(t.To), database.Micros(deleteAt), database.Micros(now), from[0], from[1], from[2], from[3], from[4], database.Micros(due))
		if err != nil {
			return err
		}
		if t.To == keyring.ElasticDeleted {
			if err := s.bury(ctx, tenant, id); err != nil {
				return err
			}
			name := moved.Name
			if moved, err = s.Reseal(ctx, tenant, id); err != nil {
				return err
			}
			moved.Name = name // whoever deleted it, and the trail, know it by that
		}
		return s.noteKey(ctx, tenant, id)
	})
	return moved, stale("move elastic key", err)
}

// bury takes away what a deleted key leaves: its names, its tags and the material of all versions.
func (s *Store) bury(ctx context.Context, tenant, id string) error {
	names, err := s.names(ctx, tenant, id)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := changes.Note(ctx, s.db, tenant, changeName, name); err != nil {
			return err
		}
	}
	for _, statement := range []string{
		`DELETE FROM key_names WHERE tenant_id = $1 AND elastic_key_id = $2`,
		`DELETE FROM key_tags WHERE tenant_id = $1 AND elastic_key_id = $2`,
		`UPDATE elastic_keys SET name = id WHERE tenant_id = $1 AND id = $2`,
		`UPDATE import_jobs SET wrapped_key = '' WHERE tenant_id = $1 AND elastic_key_id = $2`,
		`UPDATE material_keys SET status = 'destroyed', wrapped_key = '', destroy_at = 0, expires_at = 0 WHERE tenant_id = $1 AND elastic_key_id = $2`,
	} {
		if _, err := s.db.Exec(ctx, statement, tenant, id); err != nil {
			return fmt.Errorf("clear deleted key: %w", err)
		}
	}
	return nil
}

// AddVersion implements keyring.ElasticKeyStore.
func (s *Store) AddVersion(ctx context.Context, key keyring.ElasticKey, ifPrimary int64) (version int64, err error) {
	err = s.db.InTx(database.WithTenant(ctx, key.Tenant), func(ctx context.Context) error {
		changed, err := s.changeElastic(ctx, key.Tenant, key.ID, `
			UPDATE elastic_keys AS e
			SET version_count = version_count + 1, primary_version = version_count + 1, updated_at = $4, next_rotation_at = $6, revision = revision + 1
			WHERE tenant_id = $1 AND id = $2 AND status = $3 AND ($5 = 0 OR primary_version = $5)
			RETURNING `+elasticReturned,
			key.Tenant, key.ID, string(key.Status), database.Micros(key.UpdatedAt), ifPrimary, database.Micros(key.NextRotationAt))
		if err != nil {
			return err
		}
		version = changed.VersionCount
		return s.noteKey(ctx, key.Tenant, key.ID)
	})
	return version, stale("add version", err)
}

// SetPrimary implements keyring.ElasticKeyStore.
func (s *Store) SetPrimary(ctx context.Context, key keyring.ElasticKey, version int64) (changed keyring.ElasticKey, err error) {
	err = s.db.InTx(database.WithTenant(ctx, key.Tenant), func(ctx context.Context) error {
		changed, err = s.changeElastic(ctx, key.Tenant, key.ID, `
			UPDATE elastic_keys AS e
			SET primary_version = $3, updated_at = $4, next_rotation_at = $5, revision = revision + 1
			WHERE tenant_id = $1 AND id = $2 AND status IN ('active', 'disabled') AND min_encrypt_version <= $3 AND min_decrypt_version <= $3
				AND EXISTS (SELECT 1 FROM material_keys m WHERE m.tenant_id = $1 AND m.elastic_key_id = $2 AND m.version = $3 AND m.status = 'enabled')
			RETURNING `+elasticReturned,
			key.Tenant, key.ID, version, database.Micros(key.UpdatedAt), database.Micros(key.NextRotationAt))
		if err != nil {
			return err
		}
		return s.noteKey(ctx, key.Tenant, key.ID)
	})
	return changed, stale("set primary version", err)
}

// noteKey tells the other replicas that a key, or one of its versions, has changed.
func (s *Store) noteKey(ctx context.Context, tenant, id string) error {
	return changes.Note(ctx, s.db, tenant, ChangeKey, id)
}

// stale turns "no row was as it should be" into the store's own error.
func stale(what string, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return keyring.ErrStale
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
