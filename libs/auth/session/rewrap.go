package session

import (
	"context"
	"fmt"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/rewrap"
)

// keySource is the table of keys, whose values the barrier encrypts.
type keySource struct{ db *database.DB }

// Values is what has to be encrypted anew when the barrier's keys change.
func (m *Manager) Values() rewrap.Source { return keySource{m.deps.DB} }

// Name implements rewrap.Source.
func (keySource) Name() string { return keyPurpose }

// Next implements rewrap.Source. A position is tenant and id.
func (s keySource) Next(ctx context.Context, after string, limit int) ([]rewrap.Item, error) {
	tenant, id, _ := strings.Cut(after, "/")
	rows, err := s.db.Query(database.WithTenant(ctx, database.AllTenants), `SELECT tenant_id, format, version, id, jwe FROM session_keys
		WHERE tenant_id > $1 OR (tenant_id = $1 AND id > $2) ORDER BY tenant_id, id LIMIT $3`, tenant, id, limit)
	if err != nil {
		return nil, fmt.Errorf("list session keys: %w", err)
	}
	defer rows.Close()
	var items []rewrap.Item
	for rows.Next() {
		var k tokenKey
		var id string
		var item rewrap.Item
		if err := rows.Scan(&k.tenant, &k.format, &k.version, &id, &item.JWE); err != nil {
			return nil, fmt.Errorf("list session keys: %w", err)
		}
		item.Position, item.Binding = k.tenant+"/"+id, k.binding(id)
		items = append(items, item)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list session keys: %w", err)
	}
	return items, nil
}

// Replace implements rewrap.Source.
func (s keySource) Replace(ctx context.Context, item rewrap.Item, jwe string) (bool, error) {
	result, err := s.db.Exec(database.WithTenant(ctx, item.Binding.Tenant), `UPDATE session_keys SET jwe = $4 WHERE tenant_id = $1 AND id = $2 AND jwe = $3`,
		item.Binding.Tenant, item.Binding.ID, item.JWE, jwe)
	if err != nil {
		return false, fmt.Errorf("replace session key: %w", err)
	}
	n, err := result.RowsAffected()
	return n == 1, err
}
