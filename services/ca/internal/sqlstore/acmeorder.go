package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/acme"
)

const acmeOrderColumns = `tenant_id, id, account_id, directory, profile, status, identifiers, not_before, not_after, expires_at, replaces, csr, serial, problem,
	attempts, due_at, created_at, updated_at, revision`

// InsertOrder implements acme.OrderStore.
func (s *ACME) InsertOrder(ctx context.Context, o acme.Order) error {
	names, err := asJSON(o.Names)
	if err != nil {
		return err
	}
	err = s.db.InTx(database.WithTenant(ctx, o.Tenant), func(ctx context.Context) error {
		_, err := s.db.Exec(ctx, `
			INSERT INTO acme_orders (`+acmeOrderColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, '', '', 0, 0, $13, $14, 1)`,
			o.Tenant, o.ID, o.Account, o.Directory, o.Profile, string(o.Status), names, database.Micros(o.NotBefore), database.Micros(o.NotAfter),
			database.Micros(o.ExpiresAt), o.Replaces, []byte{}, database.Micros(o.CreatedAt), database.Micros(o.UpdatedAt))
		if err != nil {
			return err
		}
		for place, a := range o.Authorizations {
			_, err := s.db.Exec(ctx, `
				INSERT INTO acme_order_authorizations (tenant_id, order_id, place, authorization_id) VALUES ($1, $2, $3, $4)`,
				o.Tenant, o.ID, int64(place), a.ID)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if database.IsUniqueViolation(err) {
		return acme.ErrReplaced
	}
	if err != nil {
		return fmt.Errorf("insert order: %w", err)
	}
	return nil
}

// Order implements acme.OrderStore.
func (s *ACME) Order(ctx context.Context, tenant, id string) (acme.Order, error) {
	return s.order(ctx, tenant, `SELECT `+acmeOrderColumns+` FROM acme_orders WHERE tenant_id = $1 AND id = $2`, tenant, id)
}

// OrderBySerial implements acme.OrderStore.
func (s *ACME) OrderBySerial(ctx context.Context, tenant, serial string) (acme.Order, error) {
	return s.order(ctx, tenant, `SELECT `+acmeOrderColumns+` FROM acme_orders WHERE tenant_id = $1 AND serial = $2 AND serial <> ''`, tenant, serial)
}

// OrderReplacing implements acme.OrderStore.
func (s *ACME) OrderReplacing(ctx context.Context, tenant, replaced string) (acme.Order, error) {
	return s.order(ctx, tenant, `
		SELECT `+acmeOrderColumns+` FROM acme_orders WHERE tenant_id = $1 AND replaces = $2 AND replaces <> '' AND status <> 'invalid'`, tenant, replaced)
}

// order reads an order with its authorizations.
func (s *ACME) order(ctx context.Context, tenant, query string, args ...any) (acme.Order, error) {
	o, err := scanOrder(s.db.QueryRow(database.WithTenant(ctx, tenant), query, args...))
	if err != nil {
		return acme.Order{}, absent("read order", err)
	}
	return s.withAuthorizations(ctx, o)
}

func (s *ACME) withAuthorizations(ctx context.Context, o acme.Order) (acme.Order, error) {
	rows, err := s.db.Query(database.WithTenant(ctx, o.Tenant), `
		SELECT `+acmeAuthorizationColumns+`
		FROM acme_order_authorizations l
		JOIN acme_authorizations a ON a.tenant_id = l.tenant_id AND a.id = l.authorization_id
		WHERE l.tenant_id = $1 AND l.order_id = $2
		ORDER BY l.place`, o.Tenant, o.ID)
	if err != nil {
		return acme.Order{}, fmt.Errorf("read authorizations: %w", err)
	}
	if o.Authorizations, err = database.Collect(rows, scanAuthorization); err != nil {
		return acme.Order{}, fmt.Errorf("read authorizations: %w", err)
	}
	return o, nil
}

func scanOrder(r database.Scanner) (acme.Order, error) {
	var o acme.Order
	var status, names, problem string
	var notBefore, notAfter, expires, attempts, due, created, updated int64
	err := r.Scan(&o.Tenant, &o.ID, &o.Account, &o.Directory, &o.Profile, &status, &names, &notBefore, &notAfter, &expires, &o.Replaces, &o.CSR, &o.Serial,
		&problem, &attempts, &due, &created, &updated, &o.Revision)
	if err != nil {
		return acme.Order{}, err
	}
	o.Status, o.Attempts = acme.OrderStatus(status), int(attempts)
	o.NotBefore, o.NotAfter, o.ExpiresAt = database.Time(notBefore), database.Time(notAfter), database.Time(expires)
	o.DueAt, o.CreatedAt, o.UpdatedAt = database.Time(due), database.Time(created), database.Time(updated)
	if len(o.CSR) == 0 {
		o.CSR = nil
	}
	return o, errors.Join(fromJSON(names, &o.Names), fromJSON(problem, &o.Error))
}

// OrdersOf implements acme.OrderStore.
func (s *ACME) OrdersOf(ctx context.Context, tenant, account, after string, now time.Time, limit int) ([]string, error) {
	ids, err := s.ids(ctx, tenant, `
		SELECT id FROM acme_orders
		WHERE tenant_id = $1 AND account_id = $2 AND id > $3 AND status <> 'invalid' AND (status <> 'pending' OR expires_at > $4)
		ORDER BY id
		LIMIT $5`, tenant, account, after, database.Micros(now), int64(limit))
	if err != nil {
		return nil, fmt.Errorf("list orders: %w", err)
	}
	return ids, nil
}

// UpdateOrder implements acme.OrderStore.
func (s *ACME) UpdateOrder(ctx context.Context, o acme.Order) error {
	problem := ""
	if o.Error != nil {
		var err error
		if problem, err = asJSON(o.Error); err != nil {
			return err
		}
	}
	csr := o.CSR
	if csr == nil {
		csr = []byte{}
	}
	return s.swap(ctx, "update order", o.Tenant, `
		UPDATE acme_orders
		SET status = $4, csr = $5, serial = $6, problem = $7, attempts = $8, due_at = $9, updated_at = $10, revision = revision + 1
		WHERE tenant_id = $1 AND id = $2 AND revision = $3`,
		o.Tenant, o.ID, o.Revision, string(o.Status), csr, o.Serial, problem, int64(o.Attempts), database.Micros(o.DueAt), database.Micros(o.UpdatedAt))
}

// DueOrders implements acme.OrderStore.
func (s *ACME) DueOrders(ctx context.Context, tenant string, now time.Time, limit int) ([]string, error) {
	ids, err := s.ids(ctx, tenant, `SELECT id FROM acme_orders WHERE tenant_id = $1 AND due_at > 0 AND due_at <= $2 ORDER BY due_at LIMIT $3`,
		tenant, database.Micros(now), int64(limit))
	if err != nil {
		return nil, fmt.Errorf("list due orders: %w", err)
	}
	return ids, nil
}

// ClaimOrder implements acme.OrderStore.
func (s *ACME) ClaimOrder(ctx context.Context, tenant, id string, now, until time.Time) (o acme.Order, err error) {
	err = s.db.InTx(database.WithTenant(ctx, tenant), func(ctx context.Context) error {
		err := s.swap(ctx, "claim order", tenant, `
			UPDATE acme_orders SET due_at = $4, revision = revision + 1
			WHERE tenant_id = $1 AND id = $2 AND due_at > 0 AND due_at <= $3`, tenant, id, database.Micros(now), database.Micros(until))
		if err != nil {
			return err
		}
		o, err = s.Order(ctx, tenant, id)
		return err
	})
	return o, err
}
