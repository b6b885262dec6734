package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/acme"
)

// ACME is the part of the state that ACME clients make. It implements acme.Store.
type ACME struct {
	db *database.DB
}

var _ acme.Store = (*ACME)(nil)

// ACME returns the part of the state that ACME clients make.
func (s *Store) ACME() *ACME { return &ACME{db: s.db} }

// InTx implements acme.Store.
func (s *ACME) InTx(ctx context.Context, fn func(context.Context) error) error {
	return s.db.InTx(ctx, fn)
}

// UseNonce implements acme.Store. A statement that finds the nonce there, or finds another transaction about to store it and waits, changes nothing.
func (s *ACME) UseNonce(ctx context.Context, tenant string, use []byte, until time.Time) error {
	n, err := s.exec(ctx, tenant, `
		INSERT INTO acme_nonces (tenant_id, use_hash, expires_at) VALUES ($1, $2, $3)
		ON CONFLICT (tenant_id, use_hash) DO NOTHING`, tenant, use, database.Micros(until))
	if err != nil {
		return fmt.Errorf("insert nonce: %w", err)
	}
	if n == 0 {
		return acme.ErrNonceUsed
	}
	return nil
}

// Sweep implements acme.Store. Orders go before the authorizations that they hold.
func (s *ACME) Sweep(ctx context.Context, tenant string, nonces, rest time.Time, limit int) (int, error) {
	most := int64(limit)
	total := 0
	err := s.db.InTx(database.WithTenant(ctx, tenant), func(ctx context.Context) error {
		total = 0
		for _, statement := range []struct {
			query string
			args  []any
		}{
			{
				`DELETE FROM acme_nonces WHERE tenant_id = $1 AND use_hash IN (
				SELECT use_hash FROM acme_nonces WHERE tenant_id = $1 AND expires_at < $2 ORDER BY expires_at LIMIT $3)`,
				[]any{tenant, database.Micros(nonces), most},
			},
			{`DELETE FROM acme_order_authorizations WHERE tenant_id = $1 AND order_id IN (` + idleOrders + `)`, []any{tenant, database.Micros(rest), most}},
			{
				`DELETE FROM acme_orders WHERE tenant_id = $1 AND id IN (` + idleOrders + `)
				AND NOT EXISTS (SELECT 1 FROM acme_order_authorizations l WHERE l.tenant_id = $1 AND l.order_id = acme_orders.id)`,
				[]any{tenant, database.Micros(rest), most},
			},
			{`DELETE FROM acme_authorizations WHERE tenant_id = $1 AND id IN (
				SELECT a.id FROM acme_authorizations a
				WHERE a.tenant_id = $1 AND a.expires_at < $2 AND a.due_at = 0
					AND NOT EXISTS (SELECT 1 FROM acme_order_authorizations l WHERE l.tenant_id = $1 AND l.authorization_id = a.id)
				ORDER BY a.expires_at LIMIT $3)`, []any{tenant, database.Micros(rest), most}},
		} {
			result, err := s.db.Exec(ctx, statement.query, statement.args...)
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			if err != nil {
				return err
			}
			total = max(total, int(n))
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("sweep ACME state: %w", err)
	}
	return total, nil
}

// idleOrders are those that came to nothing.
const idleOrders = `SELECT id FROM acme_orders WHERE tenant_id = $1 AND serial = '' AND expires_at < $2 AND due_at = 0 ORDER BY expires_at, id LIMIT $3`

// exec runs a statement of a tenant and says how many rows it changed.
func (s *ACME) exec(ctx context.Context, tenant, query string, args ...any) (int64, error) {
	result, err := s.db.Exec(database.WithTenant(ctx, tenant), query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// swap runs a statement that changes one row if that is as the caller saw it.
func (s *ACME) swap(ctx context.Context, what, tenant, query string, args ...any) error {
	n, err := s.exec(ctx, tenant, query, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if n == 0 {
		return acme.ErrStale
	}
	return nil
}

// absent turns "no row" into the ACME store's own error.
func absent(what string, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return acme.ErrNotFound
	}
	return fmt.Errorf("%s: %w", what, err)
}

// asJSON writes a column.
func asJSON(value any) (string, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("encode column: %w", err)
	}
	return string(text), nil
}

// fromJSON reads a column; an empty one leaves into alone.
func fromJSON(text string, into any) error {
	if text == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return fmt.Errorf("decode column: %w", err)
	}
	return nil
}

// ids reads a column of ids.
func (s *ACME) ids(ctx context.Context, tenant, query string, args ...any) ([]string, error) {
	rows, err := s.db.Query(database.WithTenant(ctx, tenant), query, args...)
	if err != nil {
		return nil, err
	}
	return database.Collect(rows, func(r database.Scanner) (id string, err error) {
		err = r.Scan(&id)
		return id, err
	})
}
