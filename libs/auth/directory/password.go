package directory

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/netip"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

var _ auth.PasswordStore = (*Directory)(nil)

const (
	// origins is how many addresses are remembered of a user.
	origins = 20
	// originLifetime is how long an address is trusted without another login.
	originLifetime = 90 * 24 * time.Hour
)

// SetPassword implements auth.PasswordStore. It is for the user's own change and for hashes of an old policy.
func (d *Directory) SetPassword(ctx context.Context, tenant, user, old, next string) (bool, error) {
	changed := false
	err := d.change(ctx, tenant, func(ctx context.Context) (Event, []note, error) {
		result, err := d.db.Exec(ctx, `
			UPDATE auth_users SET password_hash = $4, updated_at = $5 WHERE tenant_id = $1 AND id = $2 AND password_hash = $3`,
			tenant, user, old, next, database.Micros(d.cfg.Now()))
		if err != nil {
			return Event{}, nil, fmt.Errorf("set password: %w", err)
		}
		n, err := result.RowsAffected()
		changed = n == 1
		if err != nil || !changed {
			return Event{}, nil, err
		}
		by := &server.Principal{Tenant: tenant, Realm: RealmName, Kind: server.KindUser, ID: user}
		return Event{Action: "user.set_password", By: by, ObjectKind: "user", ObjectID: user}, []note{{tenant, kindUser, user}}, nil
	})
	return changed && err == nil, err
}

// ResetPassword gives a user a new password and ends the user's sessions. The caller gets hold of the account thereby.
func (d *Directory) ResetPassword(ctx context.Context, by *server.Principal, id, password string) error {
	user, err := d.User(ctx, by.Tenant, id)
	if err != nil {
		return err
	}
	if err := auth.CheckPassword(password, user.Login, user.Name); err != nil {
		return err
	}
	hash, err := d.cfg.Passwords.Hash(ctx, auth.PreparePassword(password))
	if err != nil {
		return fmt.Errorf("hash password: %w", err)
	}
	return d.change(ctx, by.Tenant, func(ctx context.Context) (Event, []note, error) {
		if err := d.mayControl(ctx, by, server.KindUser, id); err != nil {
			return Event{}, nil, err
		}
		result, err := d.db.Exec(ctx, `
			UPDATE auth_users SET password_hash = $3, version = version + 1, updated_at = $4 WHERE tenant_id = $1 AND id = $2`,
			by.Tenant, id, hash, database.Micros(d.cfg.Now()))
		if err := one(result, err, notFound); err != nil {
			return Event{}, nil, fmt.Errorf("reset password: %w", err)
		}
		if _, err := d.db.Exec(ctx, "DELETE FROM auth_login_origins WHERE tenant_id = $1 AND user_id = $2", by.Tenant, id); err != nil {
			return Event{}, nil, fmt.Errorf("forget origins: %w", err)
		}
		if err := d.end(ctx, by.Tenant, server.KindUser, id); err != nil {
			return Event{}, nil, err
		}
		return Event{Action: "user.reset_password", By: by, ObjectKind: "user", ObjectID: id}, []note{{by.Tenant, kindUser, id}}, nil
	})
}

// origin is an address as it is stored.
func (d *Directory) origin(ctx context.Context, tenant, user string, address netip.Addr) (string, error) {
	key, err := d.loginKey(ctx, tenant)
	if err != nil || key == nil {
		return "", err
	}
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte("origin\x00" + user + "\x00" + address.String())) // a hash does not fail
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), nil
}

// KnownOrigin implements auth.PasswordStore.
func (d *Directory) KnownOrigin(ctx context.Context, tenant, user string, address netip.Addr) (bool, error) {
	ctx = database.WithTenant(ctx, tenant)
	origin, err := d.origin(ctx, tenant, user, address)
	if err != nil {
		return false, unavailable(err)
	}
	var count int64
	err = d.db.QueryRow(ctx, `
		SELECT count(*) FROM auth_login_origins WHERE tenant_id = $1 AND user_id = $2 AND origin = $3 AND seen_at > $4`,
		tenant, user, origin, database.Micros(d.cfg.Now().Add(-originLifetime))).Scan(&count)
	if err != nil {
		return false, unavailable(fmt.Errorf("look for origin: %w", err))
	}
	return count > 0, nil
}

// AddOrigin implements auth.PasswordStore.
func (d *Directory) AddOrigin(ctx context.Context, tenant, user string, address netip.Addr) error {
	ctx = database.WithTenant(ctx, tenant)
	origin, err := d.origin(ctx, tenant, user, address)
	if err != nil || origin == "" {
		return err
	}
	return d.db.InTx(ctx, func(ctx context.Context) error {
		if _, err := d.db.Exec(ctx, `
			INSERT INTO auth_login_origins (tenant_id, user_id, origin, seen_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (tenant_id, user_id, origin) DO UPDATE SET seen_at = excluded.seen_at`,
			tenant, user, origin, database.Micros(d.cfg.Now())); err != nil {
			return fmt.Errorf("keep origin: %w", err)
		}
		if _, err := d.db.Exec(ctx, `
			DELETE FROM auth_login_origins WHERE tenant_id = $1 AND user_id = $2 AND origin NOT IN (
				SELECT origin FROM auth_login_origins WHERE tenant_id = $1 AND user_id = $2 ORDER BY seen_at DESC LIMIT $3)`,
			tenant, user, int64(origins)); err != nil {
			return fmt.Errorf("drop old origins: %w", err)
		}
		return nil
	})
}
