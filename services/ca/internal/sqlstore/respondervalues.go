package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/database/rewrap"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/revocation"
)

// ResponderValues are the wrapped keys of OCSP responders, which are wrapped anew when the barrier's keys change.
type ResponderValues struct {
	store *Store
	// tenants lists tenants: up to limit, in order, after the given one.
	tenants func(ctx context.Context, after string, limit int) ([]string, error)
}

var _ rewrap.Source = (*ResponderValues)(nil)

// NewResponderValues returns the store's responders.
func NewResponderValues(store *Store, tenants func(ctx context.Context, after string, limit int) ([]string, error)) *ResponderValues {
	return &ResponderValues{store: store, tenants: tenants}
}

// Name implements rewrap.Source.
func (*ResponderValues) Name() string { return "ca/responders" }

// Next implements rewrap.Source. A position is "tenant/ca/id".
func (v *ResponderValues) Next(ctx context.Context, after string, limit int) ([]rewrap.Item, error) {
	tenant, rest, _ := strings.Cut(after, "/")
	ca, id, _ := strings.Cut(rest, "/")
	for {
		if tenant != "" {
			items, err := v.of(ctx, tenant, ca, id, limit)
			if err != nil || len(items) > 0 {
				return items, err
			}
		}
		next, err := v.tenants(ctx, tenant, 1)
		if err != nil || len(next) == 0 {
			return nil, err
		}
		tenant, ca, id = next[0], "", ""
	}
}

// of lists a tenant's responders after one.
func (v *ResponderValues) of(ctx context.Context, tenant, ca, id string, limit int) ([]rewrap.Item, error) {
	rows, err := v.store.db.Query(database.WithTenant(ctx, tenant), `
		SELECT `+delegateColumns+`
		FROM ca_responders d
		WHERE d.tenant_id = $1 AND (d.ca_id > $2 OR (d.ca_id = $2 AND d.id > $3))
		ORDER BY d.ca_id, d.id
		LIMIT $4`, tenant, ca, id, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("list wrapped keys: %w", err)
	}
	return database.Collect(rows, func(r database.Scanner) (rewrap.Item, error) {
		d, err := scanDelegate(r)
		return rewrap.Item{Position: d.Tenant + "/" + d.CAID + "/" + d.ID, Binding: revocation.Binding(d), JWE: d.WrappedKey}, err
	})
}

// Replace implements rewrap.Source. Replicas that keep the row hear of it.
func (v *ResponderValues) Replace(ctx context.Context, item rewrap.Item, jwe string) (bool, error) {
	tenant, rest, _ := strings.Cut(item.Position, "/")
	ca, id, _ := strings.Cut(rest, "/")
	db := v.store.db
	err := db.InTx(database.WithTenant(ctx, tenant), func(ctx context.Context) error {
		var is string
		err := db.QueryRow(ctx, `
			UPDATE ca_responders SET wrapped_key = $5 WHERE tenant_id = $1 AND ca_id = $2 AND id = $3 AND wrapped_key = $4 RETURNING id`,
			tenant, ca, id, item.JWE, jwe).Scan(&is)
		if err != nil {
			return err
		}
		return changes.Note(ctx, db, tenant, ChangeResponder, ca)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("replace wrapped key: %w", err)
	}
	return true, nil
}
