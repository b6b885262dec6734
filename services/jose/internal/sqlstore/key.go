package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/server/naming"

	"github.com/cryptoutil/cryptoutil/services/jose/internal/authority"
)

// keyColumns are the columns of a key, in the order of keyTarget.columns. RETURNING knows them by the name of the table alone.
const (
	keyColumns = `k.tenant_id, k.id, k.name, k.description, k.algorithm, k.key_size, k.curve, k.key_use, k.status, k.published, k.exportable, k.token_lifetime,
	k.kms_key, k.version_count, k.created_at, k.updated_at, k.revision`
	returnedKey = `tenant_id, id, name, description, algorithm, key_size, curve, key_use, status, published, exportable, token_lifetime,
	kms_key, version_count, created_at, updated_at, revision`
)

// InsertKey implements authority.KeyStore.
func (s *Store) InsertKey(ctx context.Context, key authority.Key) error {
	err := s.db.InTx(database.WithTenant(ctx, key.Tenant), func(ctx context.Context) error {
		_, err := s.db.Exec(ctx, `
			INSERT INTO jose_keys (tenant_id, id, name, description, algorithm, key_size, curve, key_use, status, published, exportable, token_lifetime,
				kms_key, version_count, created_at, updated_at, revision)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 1)`,
			key.Tenant, key.ID, key.Name, key.Description, key.Algorithm, int64(key.KeySize), key.Curve, string(key.Use), string(key.Status),
			key.Published, key.Exportable, key.TokenLifetime.Microseconds(), key.KMSKey, key.VersionCount, database.Micros(key.CreatedAt),
			database.Micros(key.UpdatedAt))
		if err != nil {
			return err
		}
		return changes.Note(ctx, s.db, key.Tenant, changeSet, theSet)
	})
	if database.IsUniqueViolation(err) {
		return authority.ErrNameTaken
	}
	if err != nil {
		return fmt.Errorf("insert key: %w", err)
	}
	return nil
}

const (
	selectKeyByID   = `SELECT ` + keyColumns + ` FROM jose_keys k WHERE k.tenant_id = $1 AND k.id = $2`
	selectKeyByName = `SELECT ` + keyColumns + ` FROM jose_keys k WHERE k.tenant_id = $1 AND k.name = $2 AND k.status <> 'destroyed'`
)

// key reads a key without its versions.
func (s *Store) key(ctx context.Context, tenant string, ref naming.Ref) (authority.Key, error) {
	query, value := selectKeyByName, string(ref)
	if id, ok := ref.ID(); ok {
		query, value = selectKeyByID, id
	}
	key, err := scanKey(s.db.QueryRow(database.WithTenant(ctx, tenant), query, tenant, value))
	if err != nil {
		return authority.Key{}, notFound(err)
	}
	return key, nil
}

// Ring implements authority.KeyStore.
func (s *Store) Ring(ctx context.Context, tenant string, ref naming.Ref) (authority.Ring, error) {
	key, err := s.key(ctx, tenant, ref)
	if err != nil {
		return authority.Ring{}, err
	}
	return s.ring(ctx, key)
}

// RingFact implements authority.KeyStore.
func (s *Store) RingFact(ctx context.Context, tenant string, ref naming.Ref) (authority.Ring, error) {
	return s.Ring(ctx, tenant, ref)
}

// ring reads the versions of a key.
func (s *Store) ring(ctx context.Context, key authority.Key) (authority.Ring, error) {
	rows, err := s.db.Query(database.WithTenant(ctx, key.Tenant), `
		SELECT `+versionColumns+`
		FROM jose_key_versions v
		WHERE v.tenant_id = $1 AND v.key_id = $2 AND v.status <> 'destroyed'
		ORDER BY v.version DESC
		LIMIT $3`, key.Tenant, key.ID, int64(authority.MaxRing))
	if err != nil {
		return authority.Ring{}, fmt.Errorf("select versions: %w", err)
	}
	versions, err := database.Collect(rows, scanVersion)
	return authority.Ring{Key: key, Versions: versions}, err
}

// Keys implements authority.KeyStore.
func (s *Store) Keys(ctx context.Context, tenant string, list authority.KeyList) ([]authority.Key, error) {
	rows, err := s.db.Query(database.WithTenant(ctx, tenant), `
		SELECT `+keyColumns+`
		FROM jose_keys k
		WHERE k.tenant_id = $1 AND k.id > $2 AND ($3 = '' OR k.name = $3) AND ($4 = '' OR k.algorithm = $4) AND ($5 = '' OR k.status = $5)
			AND k.status <> 'destroyed'
		ORDER BY k.id
		LIMIT $6`, tenant, list.After, list.Name, list.Algorithm, string(list.Status), int64(list.Limit))
	if err != nil {
		return nil, fmt.Errorf("select keys: %w", err)
	}
	return database.Collect(rows, scanKey)
}

// KeysElsewhere implements authority.KeyStore.
func (s *Store) KeysElsewhere(ctx context.Context, tenant, after string, limit int) ([]authority.Key, error) {
	rows, err := s.db.Query(database.WithTenant(ctx, tenant), `
		SELECT `+keyColumns+`
		FROM jose_keys k
		WHERE k.tenant_id = $1 AND k.id > $2 AND k.kms_key <> '' AND k.status = 'active'
		ORDER BY k.id
		LIMIT $3`, tenant, after, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("select keys that are elsewhere: %w", err)
	}
	return database.Collect(rows, scanKey)
}

// Published implements authority.KeyStore.
func (s *Store) Published(ctx context.Context, tenant string, limit int) ([]authority.Ring, error) {
	rows, err := s.db.Query(database.WithTenant(ctx, tenant), `
		SELECT `+keyColumns+`
		FROM jose_keys k
		WHERE k.tenant_id = $1 AND k.published AND k.status <> 'destroyed'
		ORDER BY k.id
		LIMIT $2`, tenant, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("select published keys: %w", err)
	}
	keys, err := database.Collect(rows, scanKey)
	if err != nil {
		return nil, err
	}
	rings := make([]authority.Ring, len(keys))
	for i, key := range keys {
		if rings[i], err = s.ring(ctx, key); err != nil {
			return nil, err
		}
	}
	return rings, nil
}

// UpdateKey implements authority.KeyStore.
func (s *Store) UpdateKey(ctx context.Context, key authority.Key) (changed authority.Key, err error) {
	lifetime := key.TokenLifetime.Microseconds()
	err = s.db.InTx(database.WithTenant(ctx, key.Tenant), func(ctx context.Context) error {
		changed, err = scanKey(s.db.QueryRow(ctx, `
			UPDATE jose_keys
			SET description = $4, published = $5, token_lifetime = $6, updated_at = $7, revision = revision + 1
			WHERE tenant_id = $1 AND id = $2 AND revision = $3 AND status <> 'destroyed'
			RETURNING `+returnedKey,
			key.Tenant, key.ID, key.Revision, key.Description, key.Published, lifetime, database.Micros(key.UpdatedAt)))
		if err != nil {
			return err
		}
		// Tokens may live longer from now on, also those of a version that will be succeeded.
		_, err := s.db.Exec(ctx, `
			UPDATE jose_key_versions
			SET published_until = CASE WHEN published_until > 0 THEN published_until + ($3 - token_lifetime) ELSE 0 END, token_lifetime = $3
			WHERE tenant_id = $1 AND key_id = $2 AND status IN ('pending', 'active') AND token_lifetime < $3`, key.Tenant, key.ID, lifetime)
		if err != nil {
			return fmt.Errorf("lengthen lifetimes: %w", err)
		}
		return s.noteKey(ctx, key.Tenant, key.ID)
	})
	return changed, stale("update key", err)
}

// maxFrom is how many states a transition may begin in, for a statement's constant text.
const maxFrom = 2

// states are those that a transition begins in; "" stands for none.
func states[S ~string](t authority.Transition[S]) (from [maxFrom]string) {
	if len(t.From) > maxFrom {
		panic("sqlstore: a transition begins in more states than a statement has room for")
	}
	for i, s := range t.From {
		from[i] = string(s)
	}
	return from
}

// MoveKey implements authority.KeyStore.
func (s *Store) MoveKey(
	ctx context.Context, tenant, id string, t authority.Transition[authority.KeyStatus], now time.Time,
) (moved authority.Key, err error) {
	from := states(t)
	err = s.db.InTx(database.WithTenant(ctx, tenant), func(ctx context.Context) error {
		before, err := s.key(ctx, tenant, naming.Ref(id))
		if err != nil {
			return err
		}
		moved, err = scanKey(s.db.QueryRow(ctx, `
			UPDATE jose_keys
			SET status = $3, updated_at = $4, revision = revision + 1, name = CASE WHEN $3 = 'destroyed' THEN id ELSE name END
			WHERE tenant_id = $1 AND id = $2 AND status IN ($5, $6)
			RETURNING `+returnedKey, tenant, id, string(t.To), database.Micros(now), from[0], from[1]))
		if err != nil {
			return err
		}
		if t.To == authority.KeyDestroyed {
			_, err := s.db.Exec(ctx, `
				UPDATE jose_key_versions SET status = 'destroyed', wrapped_key = '', updated_at = $3
				WHERE tenant_id = $1 AND key_id = $2`, tenant, id, database.Micros(now))
			if err != nil {
				return fmt.Errorf("destroy versions: %w", err)
			}
			if err := changes.Note(ctx, s.db, tenant, changeName, before.Name); err != nil {
				return err
			}
		}
		return s.noteKey(ctx, tenant, id)
	})
	return moved, stale("move key", err)
}

// keyTarget receives the columns of a key.
type keyTarget struct {
	key                              authority.Key
	size, lifetime, created, updated int64
	use, status                      string
}

func (t *keyTarget) columns() []any {
	k := &t.key
	return []any{
		&k.Tenant, &k.ID, &k.Name, &k.Description, &k.Algorithm, &t.size, &k.Curve, &t.use, &t.status, &k.Published, &k.Exportable, &t.lifetime,
		&k.KMSKey, &k.VersionCount, &t.created, &t.updated, &k.Revision,
	}
}

func (t *keyTarget) read() authority.Key {
	k := t.key
	k.KeySize, k.Use, k.Status = int(t.size), alg.Use(t.use), authority.KeyStatus(t.status)
	k.TokenLifetime = time.Duration(t.lifetime) * time.Microsecond
	k.CreatedAt, k.UpdatedAt = database.Time(t.created), database.Time(t.updated)
	return k
}

func scanKey(r database.Scanner) (authority.Key, error) {
	var target keyTarget
	if err := r.Scan(target.columns()...); err != nil {
		return authority.Key{}, fmt.Errorf("read key: %w", err)
	}
	return target.read(), nil
}
