package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/rewrap"

	"github.com/cryptoutil/cryptoutil/services/jose/internal/authority"
)

// Values are the wrapped private keys, which are wrapped anew when the barrier's keys change.
type Values struct {
	store *Store
	// tenants lists tenants: up to limit, in order, after the given one.
	tenants func(ctx context.Context, after string, limit int) ([]string, error)
}

var _ rewrap.Source = (*Values)(nil)

// NewValues returns the store's values.
func NewValues(store *Store, tenants func(ctx context.Context, after string, limit int) ([]string, error)) *Values {
	return &Values{store: store, tenants: tenants}
}

// Name implements rewrap.Source.
func (*Values) Name() string { return "jose/keys" }

// place is where a version stands in the order: by tenant, key and number. Tenants are gone through one by one, because one may have a
// schema of its own.
type place struct {
	tenant, key string
	version     int64
}

func (p place) String() string { return fmt.Sprintf("%s/%s/%d", p.tenant, p.key, p.version) }

func parsePlace(text string) (p place, err error) {
	if text == "" {
		return place{}, nil
	}
	parts := strings.Split(text, "/")
	const members = 3
	if len(parts) != members {
		return place{}, fmt.Errorf("%q is no position of a version", text)
	}
	p.tenant, p.key = parts[0], parts[1]
	p.version, err = strconv.ParseInt(parts[2], 10, 64)
	return p, err
}

// Next implements rewrap.Source.
func (v *Values) Next(ctx context.Context, after string, limit int) ([]rewrap.Item, error) {
	at, err := parsePlace(after)
	if err != nil {
		return nil, err
	}
	for {
		if at.tenant != "" {
			items, err := v.of(ctx, at, limit)
			if err != nil || len(items) > 0 {
				return items, err
			}
		}
		next, err := v.tenants(ctx, at.tenant, 1)
		if err != nil || len(next) == 0 {
			return nil, err
		}
		at = place{tenant: next[0]}
	}
}

// of lists a tenant's versions after a place.
func (v *Values) of(ctx context.Context, at place, limit int) ([]rewrap.Item, error) {
	rows, err := v.store.db.Query(database.WithTenant(ctx, at.tenant), `
		SELECT `+keyColumns+`, `+versionColumns+`
		FROM jose_key_versions v
		JOIN jose_keys k ON k.tenant_id = v.tenant_id AND k.id = v.key_id
		WHERE v.tenant_id = $1 AND v.wrapped_key <> '' AND (v.key_id > $2 OR (v.key_id = $2 AND v.version > $3))
		ORDER BY v.key_id, v.version
		LIMIT $4`, at.tenant, at.key, at.version, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("list wrapped keys: %w", err)
	}
	return database.Collect(rows, func(r database.Scanner) (rewrap.Item, error) {
		var k keyTarget
		var v versionTarget
		if err := r.Scan(append(k.columns(), v.columns()...)...); err != nil {
			return rewrap.Item{}, fmt.Errorf("read wrapped key: %w", err)
		}
		key := k.read()
		version, err := v.read()
		if err != nil {
			return rewrap.Item{}, err
		}
		position := place{tenant: version.Tenant, key: version.KeyID, version: version.Number}
		return rewrap.Item{Position: position.String(), Binding: authority.Binding(key, version), JWE: version.WrappedKey}, nil
	})
}

// Replace implements rewrap.Source. Replicas that keep the row hear of it.
func (v *Values) Replace(ctx context.Context, item rewrap.Item, jwe string) (bool, error) {
	at, err := parsePlace(item.Position)
	if err != nil {
		return false, err
	}
	db := v.store.db
	err = db.InTx(database.WithTenant(ctx, at.tenant), func(ctx context.Context) error {
		var id string
		err := db.QueryRow(ctx, `
			UPDATE jose_key_versions SET wrapped_key = $5
			WHERE tenant_id = $1 AND key_id = $2 AND version = $3 AND wrapped_key = $4
			RETURNING id`, at.tenant, at.key, at.version, item.JWE, jwe).Scan(&id)
		if err != nil {
			return err
		}
		return v.store.noteKey(ctx, at.tenant, at.key)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("replace wrapped key: %w", err)
	}
	return true, nil
}
