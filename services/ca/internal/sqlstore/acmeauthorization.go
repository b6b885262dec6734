package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/acme"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

// acmeAuthorizationColumns are in the order of acmeAuthorizationTarget.columns; acmeReturnedAuthorization are the same, as RETURNING knows them.
const (
	acmeAuthorizationColumns = `a.tenant_id, a.id, a.account_id, a.directory, a.identifier_type, a.identifier, a.status, a.expires_at, a.challenges, a.remotes,
	a.due_at, a.created_at, a.updated_at, a.revision`
	acmeReturnedAuthorization = `tenant_id, id, account_id, directory, identifier_type, identifier, status, expires_at, challenges, remotes,
	due_at, created_at, updated_at, revision`
)

// acmeAuthorizationTarget receives the columns of an authorization.
type acmeAuthorizationTarget struct {
	a                                       acme.Authorization
	status, challenges                      string
	expires, remotes, due, created, updated int64
}

func (t *acmeAuthorizationTarget) columns() []any {
	a := &t.a
	return []any{
		&a.Tenant, &a.ID, &a.Account, &a.Directory, &a.Identifier.Type, &a.Identifier.Value, &t.status, &t.expires, &t.challenges, &t.remotes,
		&t.due, &t.created, &t.updated, &a.Revision,
	}
}

func (t *acmeAuthorizationTarget) read() (acme.Authorization, error) {
	a := t.a
	a.Status, a.Remotes = acme.AuthorizationStatus(t.status), int(t.remotes)
	a.ExpiresAt, a.DueAt, a.CreatedAt, a.UpdatedAt = database.Time(t.expires), database.Time(t.due), database.Time(t.created), database.Time(t.updated)
	return a, fromJSON(t.challenges, &a.Challenges)
}

func scanAuthorization(r database.Scanner) (acme.Authorization, error) {
	var t acmeAuthorizationTarget
	if err := r.Scan(t.columns()...); err != nil {
		return acme.Authorization{}, err
	}
	return t.read()
}

// InsertAuthorization implements acme.AuthorizationStore.
func (s *ACME) InsertAuthorization(ctx context.Context, a acme.Authorization) error {
	challenges, err := asJSON(a.Challenges)
	if err != nil {
		return err
	}
	_, err = s.exec(ctx, a.Tenant, `
		INSERT INTO acme_authorizations (`+acmeReturnedAuthorization+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 1)`,
		a.Tenant, a.ID, a.Account, a.Directory, a.Identifier.Type, a.Identifier.Value, string(a.Status), database.Micros(a.ExpiresAt), challenges,
		int64(a.Remotes), database.Micros(a.DueAt), database.Micros(a.CreatedAt), database.Micros(a.UpdatedAt))
	if err != nil {
		return fmt.Errorf("insert authorization: %w", err)
	}
	return nil
}

// Authorization implements acme.AuthorizationStore.
func (s *ACME) Authorization(ctx context.Context, tenant, id string) (acme.Authorization, error) {
	a, err := scanAuthorization(s.db.QueryRow(database.WithTenant(ctx, tenant), `
		SELECT `+acmeAuthorizationColumns+` FROM acme_authorizations a WHERE a.tenant_id = $1 AND a.id = $2`, tenant, id))
	if err != nil {
		return acme.Authorization{}, absent("read authorization", err)
	}
	return a, nil
}

// Proved implements acme.AuthorizationStore.
func (s *ACME) Proved(ctx context.Context, tenant, account string, i validation.Identifier, until time.Time) (acme.Authorization, error) {
	a, err := scanAuthorization(s.db.QueryRow(database.WithTenant(ctx, tenant), `
		SELECT `+acmeAuthorizationColumns+` FROM acme_authorizations a
		WHERE a.tenant_id = $1 AND a.account_id = $2 AND a.identifier_type = $3 AND a.identifier = $4 AND a.status = 'valid' AND a.expires_at > $5
		ORDER BY a.expires_at DESC
		LIMIT 1`, tenant, account, i.Type, i.Value, database.Micros(until)))
	if err != nil {
		return acme.Authorization{}, absent("read authorization", err)
	}
	return a, nil
}

// UpdateAuthorization implements acme.AuthorizationStore.
func (s *ACME) UpdateAuthorization(ctx context.Context, a acme.Authorization) error {
	challenges, err := asJSON(a.Challenges)
	if err != nil {
		return err
	}
	return s.swap(ctx, "update authorization", a.Tenant, `
		UPDATE acme_authorizations
		SET status = $4, expires_at = $5, challenges = $6, remotes = $7, due_at = $8, updated_at = $9, revision = revision + 1
		WHERE tenant_id = $1 AND id = $2 AND revision = $3`,
		a.Tenant, a.ID, a.Revision, string(a.Status), database.Micros(a.ExpiresAt), challenges, int64(a.Remotes), database.Micros(a.DueAt),
		database.Micros(a.UpdatedAt))
}

// DueAuthorizations implements acme.AuthorizationStore.
func (s *ACME) DueAuthorizations(ctx context.Context, tenant string, now time.Time, limit int) ([]string, error) {
	ids, err := s.ids(ctx, tenant, `
		SELECT id FROM acme_authorizations WHERE tenant_id = $1 AND due_at > 0 AND due_at <= $2 ORDER BY due_at LIMIT $3`,
		tenant, database.Micros(now), int64(limit))
	if err != nil {
		return nil, fmt.Errorf("list due authorizations: %w", err)
	}
	return ids, nil
}

// ClaimAuthorization implements acme.AuthorizationStore.
func (s *ACME) ClaimAuthorization(ctx context.Context, tenant, id string, now, until time.Time) (a acme.Authorization, err error) {
	err = s.db.InTx(database.WithTenant(ctx, tenant), func(ctx context.Context) (err error) {
		a, err = scanAuthorization(s.db.QueryRow(ctx, `
			UPDATE acme_authorizations SET due_at = $4, revision = revision + 1
			WHERE tenant_id = $1 AND id = $2 AND due_at > 0 AND due_at <= $3
			RETURNING `+acmeReturnedAuthorization, tenant, id, database.Micros(now), database.Micros(until)))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return acme.Authorization{}, acme.ErrStale
	}
	if err != nil {
		return acme.Authorization{}, fmt.Errorf("claim authorization: %w", err)
	}
	return a, nil
}
