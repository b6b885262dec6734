package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/rewrap"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/hierarchy"
)

// Values are the wrapped keys of CAs, which are wrapped anew when the barrier's keys change.
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
func (*Values) Name() string { return "ca/keys" }

// Next implements rewrap.Source. Tenants are gone through one by one, because one may have a schema of its own. A position is "tenant/id".
func (v *Values) Next(ctx context.Context, after string, limit int) ([]rewrap.Item, error) {
	tenant, id, _ := strings.Cut(after, "/")
	for {
		if tenant != "" {
			items, err := v.of(ctx, tenant, id, limit)
			if err != nil || len(items) > 0 {
				return items, err
			}
		}
		next, err := v.tenants(ctx, tenant, 1)
		if err != nil || len(next) == 0 {
			return nil, err
		}
		tenant, id = next[0], ""
	}
}

// of lists a tenant's CAs after one.
func (v *Values) of(ctx context.Context, tenant, id string, limit int) ([]rewrap.Item, error) {
	rows, err := v.store.db.Query(database.WithTenant(ctx, tenant), `
		SELECT `+caColumns+`
		FROM ca_authorities
		WHERE tenant_id = $1 AND id > $2 AND wrapped_key <> ''
		ORDER BY id
		LIMIT $3`, tenant, id, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("list wrapped keys: %w", err)
	}
	return database.Collect(rows, func(r database.Scanner) (rewrap.Item, error) {
		ca, err := scanCA(r)
		return rewrap.Item{Position: ca.Tenant + "/" + ca.ID, Binding: hierarchy.Binding(ca), JWE: ca.WrappedKey}, err
	})
}

// Replace implements rewrap.Source. Replicas that keep the row hear of it.
func (v *Values) Replace(ctx context.Context, item rewrap.Item, jwe string) (bool, error) {
	tenant, id, _ := strings.Cut(item.Position, "/")
	db := v.store.db
	err := db.InTx(database.WithTenant(ctx, tenant), func(ctx context.Context) error {
		var is string
		err := db.QueryRow(ctx, `
			UPDATE ca_authorities SET wrapped_key = $4 WHERE tenant_id = $1 AND id = $2 AND wrapped_key = $3 RETURNING id`,
			tenant, id, item.JWE, jwe).Scan(&is)
		if err != nil {
			return err
		}
		return v.store.noteCA(ctx, tenant, id)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("replace wrapped key: %w", err)
	}
	return true, nil
}
