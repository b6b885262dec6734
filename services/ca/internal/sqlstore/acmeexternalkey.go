package sqlstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/rewrap"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/acme"
)

const externalKeyColumns = `tenant_id, id, directory, label, wrapped_key, account_id, created_at, expires_at, bound_at, revoked_at`

// InsertExternalKey implements acme.ExternalKeyStore.
func (s *ACME) InsertExternalKey(ctx context.Context, k acme.ExternalKey) error {
	_, err := s.exec(ctx, k.Tenant, `
		INSERT INTO acme_external_keys (`+externalKeyColumns+`) VALUES ($1, $2, $3, $4, $5, '', $6, $7, 0, 0)`,
		k.Tenant, k.ID, k.Directory, k.Label, k.Wrapped, database.Micros(k.CreatedAt), database.Micros(k.ExpiresAt))
	if err != nil {
		return fmt.Errorf("insert external account key: %w", err)
	}
	return nil
}

// ExternalKey implements acme.ExternalKeyStore.
func (s *ACME) ExternalKey(ctx context.Context, tenant, id string) (acme.ExternalKey, error) {
	k, err := scanExternalKey(s.db.QueryRow(database.WithTenant(ctx, tenant), `
		SELECT `+externalKeyColumns+` FROM acme_external_keys WHERE tenant_id = $1 AND id = $2`, tenant, id))
	if err != nil {
		return acme.ExternalKey{}, absent("read external account key", err)
	}
	return k, nil
}

// ExternalKeys implements acme.ExternalKeyStore.
func (s *ACME) ExternalKeys(ctx context.Context, tenant, after string, limit int) ([]acme.ExternalKey, error) {
	rows, err := s.db.Query(database.WithTenant(ctx, tenant), `
		SELECT `+externalKeyColumns+` FROM acme_external_keys WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3`, tenant, after, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("list external account keys: %w", err)
	}
	return database.Collect(rows, scanExternalKey)
}

func scanExternalKey(r database.Scanner) (acme.ExternalKey, error) {
	var k acme.ExternalKey
	var created, expires, bound, revoked int64
	err := r.Scan(&k.Tenant, &k.ID, &k.Directory, &k.Label, &k.Wrapped, &k.Account, &created, &expires, &bound, &revoked)
	k.CreatedAt, k.ExpiresAt, k.BoundAt, k.RevokedAt = database.Time(created), database.Time(expires), database.Time(bound), database.Time(revoked)
	return k, err
}

// BindExternalKey implements acme.ExternalKeyStore. The secret has served its purpose.
func (s *ACME) BindExternalKey(ctx context.Context, tenant, id, account string, now time.Time) error {
	return s.swap(ctx, "bind external account key", tenant, `
		UPDATE acme_external_keys SET account_id = $3, bound_at = $4, wrapped_key = ''
		WHERE tenant_id = $1 AND id = $2 AND account_id = '' AND revoked_at = 0 AND wrapped_key <> '' AND (expires_at = 0 OR expires_at > $4)`,
		tenant, id, account, database.Micros(now))
}

// RevokeExternalKey implements acme.ExternalKeyStore.
func (s *ACME) RevokeExternalKey(ctx context.Context, tenant, id string, now time.Time) error {
	err := s.swap(ctx, "revoke external account key", tenant, `
		UPDATE acme_external_keys SET revoked_at = $3, wrapped_key = '' WHERE tenant_id = $1 AND id = $2 AND revoked_at = 0`,
		tenant, id, database.Micros(now))
	if err == nil {
		return nil
	}
	if _, missing := s.ExternalKey(ctx, tenant, id); missing != nil {
		return missing
	}
	return err
}

// ACMEValues are the wrapped keys of external accounts, which are wrapped anew when the barrier's keys change.
type ACMEValues struct {
	store   *ACME
	tenants func(ctx context.Context, after string, limit int) ([]string, error)
}

var _ rewrap.Source = (*ACMEValues)(nil)

// NewACMEValues returns the store's values. tenants lists tenants: up to limit, in order, after the given one.
func NewACMEValues(store *ACME, tenants func(ctx context.Context, after string, limit int) ([]string, error)) *ACMEValues {
	return &ACMEValues{store: store, tenants: tenants}
}

// Name implements rewrap.Source.
func (*ACMEValues) Name() string { return "ca/acme-external-keys" }

// Next implements rewrap.Source. A position is a tenant and the id of a key.
func (v *ACMEValues) Next(ctx context.Context, after string, limit int) ([]rewrap.Item, error) {
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

func (v *ACMEValues) of(ctx context.Context, tenant, after string, limit int) ([]rewrap.Item, error) {
	rows, err := v.store.db.Query(database.WithTenant(ctx, tenant), `
		SELECT `+externalKeyColumns+` FROM acme_external_keys WHERE tenant_id = $1 AND id > $2 AND wrapped_key <> '' ORDER BY id LIMIT $3`,
		tenant, after, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("list wrapped external account keys: %w", err)
	}
	return database.Collect(rows, func(r database.Scanner) (rewrap.Item, error) {
		k, err := scanExternalKey(r)
		return rewrap.Item{Position: k.Tenant + "/" + k.ID, Binding: acme.ExternalKeyBinding(k), JWE: k.Wrapped}, err
	})
}

// Replace implements rewrap.Source.
func (v *ACMEValues) Replace(ctx context.Context, item rewrap.Item, jwe string) (bool, error) {
	tenant, id, _ := strings.Cut(item.Position, "/")
	n, err := v.store.exec(ctx, tenant, `UPDATE acme_external_keys SET wrapped_key = $4 WHERE tenant_id = $1 AND id = $2 AND wrapped_key = $3`,
		tenant, id, item.JWE, jwe)
	if err != nil {
		return false, fmt.Errorf("replace wrapped external account key: %w", err)
	}
	return n == 1, nil
}
