package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/database/rewrap"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// Values are the wrapped private keys, which are wrapped anew when the barrier's keys change.
type Values struct {
	store   *Store
	tenants tenants
}

// tenants lists tenants: up to limit, in order, after the given one. Values are listed tenant by tenant, because one may have a schema of its own.
type tenants func(ctx context.Context, after string, limit int) ([]string, error)

// from lists the values of the first tenant, at or after the given one, that has some.
func (t tenants) from(ctx context.Context, tenant string, of func(tenant string) ([]rewrap.Item, error)) ([]rewrap.Item, error) {
	for {
		if tenant != "" {
			items, err := of(tenant)
			if err != nil || len(items) > 0 {
				return items, err
			}
		}
		next, err := t(ctx, tenant, 1)
		if err != nil || len(next) == 0 {
			return nil, err
		}
		tenant = next[0]
	}
}

var _ rewrap.Source = (*Values)(nil)

// NewValues returns the store's values.
func NewValues(store *Store, tenants func(ctx context.Context, after string, limit int) ([]string, error)) *Values {
	return &Values{store: store, tenants: tenants}
}

// Name implements rewrap.Source.
func (*Values) Name() string { return "kms/material-keys" }

// place is where a version stands in the order: by tenant, key and number.
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
	return v.tenants.from(ctx, at.tenant, func(tenant string) ([]rewrap.Item, error) {
		if tenant != at.tenant {
			at = place{tenant: tenant}
		}
		return v.of(ctx, at, limit)
	})
}

// of lists a tenant's versions after a place.
func (v *Values) of(ctx context.Context, at place, limit int) ([]rewrap.Item, error) {
	rows, err := v.store.db.Query(database.WithTenant(ctx, at.tenant), `
		SELECT `+elasticColumns+`, `+materialColumns+`
		FROM material_keys m
		JOIN elastic_keys e ON e.tenant_id = m.tenant_id AND e.id = m.elastic_key_id
		WHERE m.tenant_id = $1 AND m.wrapped_key <> '' AND (m.elastic_key_id > $2 OR (m.elastic_key_id = $2 AND m.version > $3))
		ORDER BY m.elastic_key_id, m.version
		LIMIT $4`, at.tenant, at.key, at.version, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("list wrapped keys: %w", err)
	}
	return database.Collect(rows, func(r database.Scanner) (rewrap.Item, error) {
		var elastic elasticTarget
		var material materialTarget
		if err := r.Scan(append(elastic.columns(), material.columns()...)...); err != nil {
			return rewrap.Item{}, fmt.Errorf("read wrapped key: %w", err)
		}
		key, err := elastic.elastic()
		if err != nil {
			return rewrap.Item{}, err
		}
		version := material.material()
		position := place{tenant: version.Tenant, key: version.ElasticKeyID, version: version.Version}
		return rewrap.Item{Position: position.String(), Binding: keyring.Binding(key, version), JWE: version.WrappedKey}, nil
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
			UPDATE material_keys SET wrapped_key = $5
			WHERE tenant_id = $1 AND elastic_key_id = $2 AND version = $3 AND wrapped_key = $4
			RETURNING id`, at.tenant, at.key, at.version, item.JWE, jwe).Scan(&id)
		if err != nil {
			return err
		}
		return changes.Note(ctx, db, at.tenant, ChangeKey, at.key)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("replace wrapped key: %w", err)
	}
	return true, nil
}
