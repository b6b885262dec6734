package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server/naming"

	"github.com/cryptoutil/cryptoutil/services/jose/internal/authority"
	"github.com/cryptoutil/cryptoutil/services/jose/internal/certificate"
)

// versionColumns are the columns of a version, in the order of versionTarget.columns. RETURNING knows them by the name of the table alone.
const (
	versionColumns = `v.tenant_id, v.key_id, v.version, v.id, v.status, v.origin, v.activate_at, v.retire_at, v.published_until, v.token_lifetime,
	v.kms_version, v.certificate, v.wrapped_key, v.created_at, v.updated_at`
	returnedVersion = `tenant_id, key_id, version, id, status, origin, activate_at, retire_at, published_until, token_lifetime,
	kms_version, certificate, wrapped_key, created_at, updated_at`
)

// AddVersion implements authority.VersionStore.
func (s *Store) AddVersion(ctx context.Context, key authority.Key, immediate bool, now time.Time) (number int64, err error) {
	err = s.db.InTx(database.WithTenant(ctx, key.Tenant), func(ctx context.Context) error {
		err := s.db.QueryRow(ctx, `
			UPDATE jose_keys
			SET version_count = version_count + 1, updated_at = $3, revision = revision + 1
			WHERE tenant_id = $1 AND id = $2 AND status = 'active' AND ($4 OR NOT EXISTS (
				SELECT 1 FROM jose_key_versions v WHERE v.tenant_id = $1 AND v.key_id = $2 AND v.status = 'pending'))
			RETURNING version_count`, key.Tenant, key.ID, database.Micros(now), immediate).Scan(&number)
		if err != nil {
			return err
		}
		return s.noteKey(ctx, key.Tenant, key.ID)
	})
	return number, stale("add version", err)
}

// InsertVersion implements authority.VersionStore.
func (s *Store) InsertVersion(ctx context.Context, v authority.Version) error {
	_, err := s.db.Exec(database.WithTenant(ctx, v.Tenant), `
		INSERT INTO jose_key_versions (tenant_id, key_id, version, id, status, origin, activate_at, retire_at, published_until, token_lifetime,
			kms_version, wrapped_key, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		v.Tenant, v.KeyID, v.Number, v.ID, string(v.Status), string(v.Origin), database.Micros(v.ActivateAt), database.Micros(v.RetireAt), database.Micros(v.PublishedUntil),
		v.TokenLifetime.Microseconds(), v.KMSVersion, v.WrappedKey, database.Micros(v.CreatedAt), database.Micros(v.UpdatedAt))
	if v.KMSVersion > 0 && database.IsUniqueViolation(err) {
		return authority.ErrStale
	}
	if err != nil {
		return fmt.Errorf("insert version: %w", err)
	}
	return nil
}

// Version implements authority.VersionStore.
func (s *Store) Version(ctx context.Context, tenant, keyID string, number int64) (authority.Key, authority.Version, error) {
	key, err := s.key(ctx, tenant, naming.Ref(keyID))
	if err != nil {
		return authority.Key{}, authority.Version{}, err
	}
	version, err := scanVersion(s.db.QueryRow(database.WithTenant(ctx, tenant), `
		SELECT `+versionColumns+` FROM jose_key_versions v WHERE v.tenant_id = $1 AND v.key_id = $2 AND v.version = $3`, tenant, key.ID, number))
	if err != nil {
		return authority.Key{}, authority.Version{}, notFound(err)
	}
	return key, version, nil
}

// Versions implements authority.VersionStore.
func (s *Store) Versions(ctx context.Context, tenant, keyID string, below int64, limit int) ([]authority.Version, error) {
	rows, err := s.db.Query(database.WithTenant(ctx, tenant), `
		SELECT `+versionColumns+`
		FROM jose_key_versions v
		WHERE v.tenant_id = $1 AND v.key_id = $2 AND ($3 = 0 OR v.version < $3)
		ORDER BY v.version DESC
		LIMIT $4`, tenant, keyID, below, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("select versions: %w", err)
	}
	return database.Collect(rows, scanVersion)
}

// NewestElsewhere implements authority.VersionStore.
func (s *Store) NewestElsewhere(ctx context.Context, tenant, keyID string) (newest int64, err error) {
	err = s.db.QueryRow(database.WithTenant(ctx, tenant), `
		SELECT COALESCE(MAX(v.kms_version), 0) FROM jose_key_versions v WHERE v.tenant_id = $1 AND v.key_id = $2`, tenant, keyID).Scan(&newest)
	if err != nil {
		return 0, fmt.Errorf("select newest version of the KMS: %w", err)
	}
	return newest, nil
}

// SucceedAt implements authority.VersionStore.
func (s *Store) SucceedAt(ctx context.Context, v authority.Version, margin time.Duration, now time.Time) error {
	_, err := s.db.Exec(database.WithTenant(ctx, v.Tenant), `
		UPDATE jose_key_versions
		SET retire_at = $4, published_until = $4 + token_lifetime + $5, updated_at = $6, status = CASE WHEN $4 <= $6 THEN 'retired' ELSE status END
		WHERE tenant_id = $1 AND key_id = $2 AND version < $3 AND status IN ('pending', 'active')`,
		v.Tenant, v.KeyID, v.Number, database.Micros(v.ActivateAt), margin.Microseconds(), database.Micros(now))
	if err != nil {
		return fmt.Errorf("retire predecessors: %w", err)
	}
	return nil
}

// Settle implements authority.VersionStore.
func (s *Store) Settle(ctx context.Context, tenant, keyID string, now time.Time) ([]authority.Version, error) {
	ctx = database.WithTenant(ctx, tenant)
	var settled []authority.Version
	err := s.db.InTx(ctx, func(ctx context.Context) error {
		rows, err := s.db.Query(ctx, `
			UPDATE jose_key_versions
			SET status = CASE WHEN retire_at > 0 AND retire_at <= $3 THEN 'retired' ELSE 'active' END, updated_at = $3
			WHERE tenant_id = $1 AND ($2 = '' OR key_id = $2)
				AND ((status = 'pending' AND activate_at <= $3) OR (status = 'active' AND retire_at > 0 AND retire_at <= $3))
			RETURNING `+returnedVersion, tenant, keyID, database.Micros(now))
		if err != nil {
			return err
		}
		if settled, err = database.Collect(rows, scanVersion); err != nil {
			return err
		}
		noted := map[string]bool{}
		for _, version := range settled {
			if noted[version.KeyID] {
				continue
			}
			noted[version.KeyID] = true
			if err := s.noteKey(ctx, tenant, version.KeyID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("settle versions: %w", err)
	}
	return settled, nil
}

// MoveVersion implements authority.VersionStore.
func (s *Store) MoveVersion(
	ctx context.Context, v authority.Version, t authority.Transition[authority.VersionStatus], now time.Time,
) (moved authority.Version, err error) {
	from := states(t)
	err = s.db.InTx(database.WithTenant(ctx, v.Tenant), func(ctx context.Context) error {
		moved, err = scanVersion(s.db.QueryRow(ctx, `
			UPDATE jose_key_versions
			SET status = $4, updated_at = $5, wrapped_key = CASE WHEN $4 = 'destroyed' THEN '' ELSE wrapped_key END
			WHERE tenant_id = $1 AND key_id = $2 AND version = $3 AND status IN ($6, $7)
			RETURNING `+returnedVersion, v.Tenant, v.KeyID, v.Number, string(t.To), database.Micros(now), from[0], from[1]))
		if err != nil {
			return err
		}
		// Its predecessor does not retire for a successor that never comes.
		_, err := s.db.Exec(ctx, `
			UPDATE jose_key_versions SET retire_at = 0, published_until = 0
			WHERE tenant_id = $1 AND key_id = $2 AND version < $3 AND status = 'active' AND retire_at > $4`, v.Tenant, v.KeyID, v.Number, database.Micros(now))
		if err != nil {
			return fmt.Errorf("keep predecessor: %w", err)
		}
		return s.noteKey(ctx, v.Tenant, v.KeyID)
	})
	return moved, stale("move version", err)
}

// SetCertificate implements authority.VersionStore.
func (s *Store) SetCertificate(ctx context.Context, v authority.Version, chain string, now time.Time) (changed authority.Version, err error) {
	err = s.db.InTx(database.WithTenant(ctx, v.Tenant), func(ctx context.Context) error {
		changed, err = scanVersion(s.db.QueryRow(ctx, `
			UPDATE jose_key_versions SET certificate = $4, updated_at = $5
			WHERE tenant_id = $1 AND key_id = $2 AND version = $3 AND status <> 'destroyed' AND ($4 <> '' OR certificate <> '')
			RETURNING `+returnedVersion, v.Tenant, v.KeyID, v.Number, chain, database.Micros(now)))
		if err != nil {
			return err
		}
		return s.noteKey(ctx, v.Tenant, v.KeyID)
	})
	return changed, stale("set certificate", err)
}

// versionTarget receives the columns of a version.
type versionTarget struct {
	version                                             authority.Version
	status, origin                                      string
	activate, retire, until, lifetime, created, updated int64
	chain                                               string
}

func (t *versionTarget) columns() []any {
	v := &t.version
	return []any{
		&v.Tenant, &v.KeyID, &v.Number, &v.ID, &t.status, &t.origin, &t.activate, &t.retire, &t.until, &t.lifetime, &v.KMSVersion, &t.chain, &v.WrappedKey,
		&t.created, &t.updated,
	}
}

func (t *versionTarget) read() (authority.Version, error) {
	v := t.version
	v.Status, v.Origin = authority.VersionStatus(t.status), authority.Origin(t.origin)
	v.ActivateAt, v.RetireAt, v.PublishedUntil = database.Time(t.activate), database.Time(t.retire), database.Time(t.until)
	v.TokenLifetime = time.Duration(t.lifetime) * time.Microsecond
	v.CreatedAt, v.UpdatedAt = database.Time(t.created), database.Time(t.updated)
	if t.chain == "" {
		return v, nil
	}
	var err error
	if v.Certificate, err = certificate.Parse(t.chain); err != nil {
		return authority.Version{}, fmt.Errorf("read certificate of version %d of key %s: %w", v.Number, v.KeyID, err)
	}
	return v, nil
}

func scanVersion(r database.Scanner) (authority.Version, error) {
	var target versionTarget
	if err := r.Scan(target.columns()...); err != nil {
		return authority.Version{}, fmt.Errorf("read version: %w", err)
	}
	return target.read()
}
