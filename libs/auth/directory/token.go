package directory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Token is an API token.
type Token struct {
	ID, Name string
	// Owner is the id of the user for whom the token acts; "" for one that stands by itself. A token with an owner may do what it says and its
	// owner may do, and ends with its owner.
	Owner     string
	Scopes    []string
	Disabled  bool
	ExpiresAt time.Time // zero: never
	Version   int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

// CreateToken adds a token and returns its text, which exists nowhere else. Somebody who may not administer accounts makes tokens of his own
// only: he is a user, and the token's owner.
func (d *Directory) CreateToken(ctx context.Context, by *server.Principal, token Token) (Token, credential.Credential, error) {
	var none credential.Credential
	if err := d.mayGive(by, "/scopes", token.Scopes); err != nil {
		return Token{}, none, err
	}
	if err := d.mayOwn(by, token.Owner); err != nil {
		return Token{}, none, err
	}
	var err error
	if token.ID, err = newID(); err != nil {
		return Token{}, none, err
	}
	made, hash, err := d.newSecret(ctx, credential.APIToken, by.Tenant, token.ID)
	if err != nil {
		return Token{}, none, err
	}
	now := d.cfg.Now()
	token.Version, token.CreatedAt, token.UpdatedAt = 1, now, now
	err = d.change(ctx, by.Tenant, func(ctx context.Context) (Event, []note, error) {
		if token.Owner != "" {
			if _, err := d.ownScopes(ctx, by.Tenant, server.KindUser, token.Owner); err != nil {
				return Event{}, nil, err
			}
		}
		if _, err := d.db.Exec(ctx, `
			INSERT INTO auth_api_tokens (tenant_id, id, owner_id, name, secret_hash, scopes, disabled, expires_at, version, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $9)`,
			by.Tenant, token.ID, token.Owner, token.Name, hash, joinScopes(token.Scopes), token.Disabled, database.Micros(token.ExpiresAt), database.Micros(now)); err != nil {
			return Event{}, nil, fmt.Errorf("insert token: %w", err)
		}
		return Event{Action: "api_token.create", By: by, ObjectKind: "api_token", ObjectID: token.ID, Scopes: token.Scopes},
			[]note{{by.Tenant, kindToken, token.ID}}, nil
	})
	if err != nil {
		return Token{}, none, err
	}
	return token, made, nil
}

// Administers tells whether the caller may administer the accounts of his tenant.
func (d *Directory) Administers(by *server.Principal) bool {
	return auth.Holds(by.Scopes, auth.UsersScope(d.cfg.Product))
}

// OwnerOf is the owner of the tokens that the caller may see without administering accounts; "" for none.
func (d *Directory) OwnerOf(by *server.Principal) string {
	if by.Kind == server.KindUser && by.Realm == RealmName {
		return by.ID
	}
	return ""
}

func (d *Directory) mayOwn(by *server.Principal, owner string) error {
	if d.Administers(by) || owner != "" && owner == d.OwnerOf(by) {
		return nil
	}
	return problem.New(problem.InsufficientScope, "without %s only users make tokens, and only their own", auth.UsersScope(d.cfg.Product))
}

//nolint:gosec // no credential: a statement
const selectTokens = `
	SELECT id, owner_id, name, scopes, disabled, expires_at, version, created_at, updated_at FROM auth_api_tokens WHERE tenant_id = $1`

func scanToken(r database.Scanner) (Token, error) {
	var t Token
	var scopes string
	var expires, created, updated int64
	err := r.Scan(&t.ID, &t.Owner, &t.Name, &scopes, &t.Disabled, &expires, &t.Version, &created, &updated)
	t.Scopes, t.ExpiresAt = splitScopes(scopes), database.Time(expires)
	t.CreatedAt, t.UpdatedAt = database.Time(created), database.Time(updated)
	return t, err
}

// Token returns a token that the caller may see; not_found.
func (d *Directory) Token(ctx context.Context, by *server.Principal, id string) (Token, error) {
	ctx = database.WithTenant(ctx, by.Tenant)
	token, err := scanToken(d.db.QueryRow(ctx, selectTokens+" AND id = $2", by.Tenant, id))
	if err != nil {
		return Token{}, missing(fmt.Errorf("read token: %w", err))
	}
	if !d.Administers(by) && (token.Owner == "" || token.Owner != d.OwnerOf(by)) {
		return Token{}, notFound()
	}
	return token, nil
}

// Tokens lists the tokens that the caller may see, those of the owner if one is given, in the order of their ids after the one given.
func (d *Directory) Tokens(ctx context.Context, by *server.Principal, owner, after string, limit int) ([]Token, error) {
	if !d.Administers(by) {
		own := d.OwnerOf(by)
		if own == "" || owner != "" && owner != own {
			return nil, nil
		}
		owner = own
	}
	ctx = database.WithTenant(ctx, by.Tenant)
	rows, err := d.db.Query(ctx, selectTokens+" AND id > $2 AND ($3 = '' OR owner_id = $3) ORDER BY id LIMIT $4", by.Tenant, after, owner, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	tokens, err := database.Collect(rows, scanToken)
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	return tokens, nil
}

// UpdateToken changes a token whose version is the given one.
func (d *Directory) UpdateToken(ctx context.Context, by *server.Principal, id string, version int64, edit func(*Token) error) (Token, error) {
	var token Token
	err := d.change(ctx, by.Tenant, func(ctx context.Context) (Event, []note, error) {
		was, err := d.Token(ctx, by, id)
		if err == nil {
			err = d.mayControl(ctx, by, server.KindAPIToken, id)
		}
		if err != nil {
			return Event{}, nil, err
		}
		token = was
		if err := edit(&token); err != nil {
			return Event{}, nil, err
		}
		if err := d.mayGive(by, "/scopes", token.Scopes); err != nil {
			return Event{}, nil, err
		}
		token.Version, token.UpdatedAt = version+1, d.cfg.Now()
		result, err := d.db.Exec(ctx, `
			UPDATE auth_api_tokens SET name = $4, scopes = $5, disabled = $6, expires_at = $7, version = version + 1, updated_at = $8
			WHERE tenant_id = $1 AND id = $2 AND version = $3`,
			by.Tenant, id, version, token.Name, joinScopes(token.Scopes), token.Disabled, database.Micros(token.ExpiresAt), database.Micros(token.UpdatedAt))
		if err := one(result, err, stale); err != nil {
			return Event{}, nil, fmt.Errorf("update token: %w", err)
		}
		if token.Disabled && !was.Disabled {
			err = d.end(ctx, by.Tenant, server.KindAPIToken, id)
		}
		return Event{Action: "api_token.update", By: by, ObjectKind: "api_token", ObjectID: id, Scopes: token.Scopes}, []note{{by.Tenant, kindToken, id}}, err
	})
	return token, err
}

// DeleteToken removes a token. Its owner may always do so.
func (d *Directory) DeleteToken(ctx context.Context, by *server.Principal, id string) error {
	return d.change(ctx, by.Tenant, func(ctx context.Context) (Event, []note, error) {
		token, err := d.Token(ctx, by, id)
		if own := d.OwnerOf(by); err == nil && (own == "" || token.Owner != own) {
			err = d.mayControl(ctx, by, server.KindAPIToken, id)
		}
		if err != nil {
			return Event{}, nil, err
		}
		notes, err := d.dropToken(ctx, by.Tenant, id)
		return Event{Action: "api_token.delete", By: by, ObjectKind: "api_token", ObjectID: id}, notes, err
	})
}

func (d *Directory) dropToken(ctx context.Context, tenant, id string) ([]note, error) {
	_, err := d.db.Exec(ctx, "DELETE FROM auth_api_tokens WHERE tenant_id = $1 AND id = $2", tenant, id)
	if err = errors.Join(err, d.drop(ctx, tenant, server.KindAPIToken, id)); err != nil {
		return nil, fmt.Errorf("delete token: %w", err)
	}
	return []note{{tenant, kindToken, id}, {tenant, kindGrants, server.KindAPIToken + " " + id}}, nil
}

func (d *Directory) loadToken(ctx context.Context, tenant, id string) (*auth.Account, error) {
	account := &auth.Account{}
	var hash, scopes string
	var expires int64
	err := d.db.QueryRow(ctx, "SELECT owner_id, name, secret_hash, scopes, disabled, expires_at FROM auth_api_tokens WHERE tenant_id = $1 AND id = $2", tenant, id).
		Scan(&account.Owner, &account.Name, &hash, &scopes, &account.Disabled, &expires)
	account.Secrets, account.Scopes, account.ExpiresAt = []auth.Secret{{Hash: hash}}, splitScopes(scopes), database.Time(expires)
	return account, err
}
