package session

import (
	"context"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

// List returns up to limit sessions in force that the filter selects, in the order of their ids, which is that of their beginnings, after
// the id given.
func (m *Manager) List(ctx context.Context, tenant string, f Filter, after string, limit int) ([]Info, error) {
	ctx = database.WithTenant(ctx, tenant)
	now := database.Micros(m.deps.Now())
	rows, err := m.deps.DB.Query(ctx, `SELECT `+columns+` FROM sessions WHERE tenant_id = $1 AND id > $2 AND expires_at > $3 AND idle_expires_at > $3
		AND ($4 = '' OR kind = $4) AND ($5 = '' OR principal_id = $5) AND ($6 = '' OR client = $6) ORDER BY id LIMIT $7`,
		tenant, after, now, f.Kind, f.PrincipalID, f.Client, limit)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	defer rows.Close()
	var list []Info
	for rows.Next() {
		r, err := scan(tenant, rows)
		if err != nil {
			return nil, fmt.Errorf("list sessions: %w", err)
		}
		list = append(list, r.info())
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return list, nil
}
