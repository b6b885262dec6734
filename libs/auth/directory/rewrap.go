package directory

import (
	"context"
	"fmt"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/rewrap"
)

// Values are what has to be encrypted anew when the barrier's keys change.
func (d *Directory) Values() []rewrap.Source {
	return []rewrap.Source{
		wrapped{
			db: d.db, name: purposeProfile, bind: profileBinding,
			list: `SELECT tenant_id, id, profile FROM auth_users WHERE tenant_id > $1 OR (tenant_id = $1 AND id > $2)
				ORDER BY tenant_id, id LIMIT $3`,
			swap: "UPDATE auth_users SET profile = $4 WHERE tenant_id = $1 AND id = $2 AND profile = $3",
		},
		wrapped{
			db: d.db, name: purposeLoginKey, bind: func(tenant, _ string) barrier.Binding { return loginKeyBinding(tenant) },
			list: `SELECT tenant_id, tenant_id, wrapped_key FROM auth_login_keys WHERE tenant_id > $1 OR (tenant_id = $1 AND tenant_id > $2)
				ORDER BY tenant_id LIMIT $3`,
			swap: "UPDATE auth_login_keys SET wrapped_key = $4 WHERE tenant_id = $1 AND tenant_id = $2 AND wrapped_key = $3",
		},
	}
}

// wrapped is a column of wrapped values.
type wrapped struct {
	db         *database.DB
	name       string
	bind       func(tenant, id string) barrier.Binding
	list, swap string
}

// Name implements rewrap.Source.
func (w wrapped) Name() string { return w.name }

// Next implements rewrap.Source. A position is tenant and id.
func (w wrapped) Next(ctx context.Context, after string, limit int) ([]rewrap.Item, error) {
	tenant, id, _ := strings.Cut(after, "/")
	rows, err := w.db.Query(database.WithTenant(ctx, database.AllTenants), w.list, tenant, id, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", w.name, err)
	}
	items, err := database.Collect(rows, func(r database.Scanner) (rewrap.Item, error) {
		var tenant, id string
		var item rewrap.Item
		err := r.Scan(&tenant, &id, &item.JWE)
		item.Position, item.Binding = tenant+"/"+id, w.bind(tenant, id)
		return item, err
	})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", w.name, err)
	}
	return items, nil
}

// Replace implements rewrap.Source.
func (w wrapped) Replace(ctx context.Context, item rewrap.Item, jwe string) (bool, error) {
	tenant := item.Binding.Tenant
	result, err := w.db.Exec(database.WithTenant(ctx, tenant), w.swap, tenant, item.Binding.ID, item.JWE, jwe)
	if err != nil {
		return false, fmt.Errorf("replace %s: %w", w.name, err)
	}
	n, err := result.RowsAffected()
	return n == 1, err
}
