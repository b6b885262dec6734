package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/acme"
)

const acmeAccountColumns = `tenant_id, id, directory, status, public_key, thumbprint, contacts, terms, external_key, created_at, updated_at, revision`

// InsertAccount implements acme.AccountStore. The duplicate is found without an error of the database, after which PostgreSQL would refuse the rest of
// the transaction.
func (s *ACME) InsertAccount(ctx context.Context, a acme.Account) error {
	contacts, err := asJSON(a.Contacts)
	if err != nil {
		return err
	}
	n, err := s.exec(ctx, a.Tenant, `
		INSERT INTO acme_accounts (`+acmeAccountColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1)
		ON CONFLICT (tenant_id, directory, thumbprint) DO NOTHING`,
		a.Tenant, a.ID, a.Directory, string(a.Status), a.Key, a.Thumbprint, contacts, a.Terms, a.ExternalKey,
		database.Micros(a.CreatedAt), database.Micros(a.UpdatedAt))
	if err != nil {
		return fmt.Errorf("insert account: %w", err)
	}
	if n == 0 {
		return acme.ErrKeyTaken
	}
	return nil
}

// Account implements acme.AccountStore.
func (s *ACME) Account(ctx context.Context, tenant, id string) (acme.Account, error) {
	return s.account(ctx, tenant, `SELECT `+acmeAccountColumns+` FROM acme_accounts WHERE tenant_id = $1 AND id = $2`, tenant, id)
}

// AccountByKey implements acme.AccountStore.
func (s *ACME) AccountByKey(ctx context.Context, tenant, directory, thumbprint string) (acme.Account, error) {
	return s.account(ctx, tenant, `
		SELECT `+acmeAccountColumns+` FROM acme_accounts WHERE tenant_id = $1 AND directory = $2 AND thumbprint = $3`, tenant, directory, thumbprint)
}

func (s *ACME) account(ctx context.Context, tenant, query string, args ...any) (acme.Account, error) {
	var a acme.Account
	var status, contacts string
	var created, updated int64
	err := s.db.QueryRow(database.WithTenant(ctx, tenant), query, args...).Scan(&a.Tenant, &a.ID, &a.Directory, &status, &a.Key, &a.Thumbprint, &contacts,
		&a.Terms, &a.ExternalKey, &created, &updated, &a.Revision)
	if err != nil {
		return acme.Account{}, absent("read account", err)
	}
	a.Status, a.CreatedAt, a.UpdatedAt = acme.AccountStatus(status), database.Time(created), database.Time(updated)
	return a, fromJSON(contacts, &a.Contacts)
}

// UpdateAccount implements acme.AccountStore.
func (s *ACME) UpdateAccount(ctx context.Context, a acme.Account) error {
	contacts, err := asJSON(a.Contacts)
	if err != nil {
		return err
	}
	err = s.swap(ctx, "update account", a.Tenant, `
		UPDATE acme_accounts
		SET status = $4, public_key = $5, thumbprint = $6, contacts = $7, updated_at = $8, revision = revision + 1
		WHERE tenant_id = $1 AND id = $2 AND revision = $3`,
		a.Tenant, a.ID, a.Revision, string(a.Status), a.Key, a.Thumbprint, contacts, database.Micros(a.UpdatedAt))
	if database.IsUniqueViolation(err) {
		return acme.ErrKeyTaken
	}
	return err
}

// CancelOrders implements acme.AccountStore.
func (s *ACME) CancelOrders(ctx context.Context, tenant, account string, now time.Time) error {
	_, err := s.exec(ctx, tenant, `
		UPDATE acme_orders SET status = 'invalid', updated_at = $3, revision = revision + 1
		WHERE tenant_id = $1 AND account_id = $2 AND status = 'pending'`, tenant, account, database.Micros(now))
	if err != nil {
		return fmt.Errorf("cancel orders: %w", err)
	}
	return nil
}
