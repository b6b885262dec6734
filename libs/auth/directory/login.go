package directory

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// What wrapped values are for.
const (
	purposeProfile  = "auth/user-profile"
	purposeLoginKey = "auth/login-key"
)

// profile is what is personal of a user.
type profile struct {
	Login string `json:"login"`
	Email string `json:"email,omitempty"`
	Name  string `json:"name,omitempty"`
}

// logins are the names by which the user is found.
func (p profile) logins() []string {
	if p.Email == "" || auth.NormalizeLogin(p.Email) == auth.NormalizeLogin(p.Login) {
		return []string{p.Login}
	}
	return []string{p.Login, p.Email}
}

// display is how the user is called.
func (p profile) display() string {
	if p.Name != "" {
		return p.Name
	}
	return p.Login
}

func profileBinding(tenant, id string) barrier.Binding {
	return barrier.Binding{Tenant: tenant, Purpose: purposeProfile, ID: id}
}

func loginKeyBinding(tenant string) barrier.Binding {
	return barrier.Binding{Tenant: tenant, Purpose: purposeLoginKey, ID: tenant}
}

// wrapProfile needs the tenant's wrapper, which is asked for before a transaction begins.
func wrapProfile(w *barrier.Wrapper, tenant, id string, p profile) (string, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return "", err
	}
	return w.Wrap(profileBinding(tenant, id), text)
}

func (d *Directory) openProfile(ctx context.Context, tenant, id, wrapped string) (profile, error) {
	var p profile
	text, err := d.cfg.Barrier.Unwrap(ctx, profileBinding(tenant, id), wrapped)
	if err != nil {
		return p, fmt.Errorf("open profile of user %s: %w", id, err)
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return p, fmt.Errorf("open profile of user %s: %w", id, err)
	}
	return p, nil
}

// Forget drops opened keys and all facts, as when the barrier is sealed.
func (d *Directory) Forget() {
	d.mu.Lock()
	for _, key := range d.loginKeys {
		clear(key)
	}
	clear(d.loginKeys)
	d.mu.Unlock()
	d.caches.users.Clear()
	d.caches.clients.Clear()
	d.caches.tokens.Clear()
	d.caches.roles.Clear()
	d.caches.grants.Clear()
	d.caches.certificates.Clear()
}

// index is the keyed hash under which a login name is found; "" when the tenant has no key, and so no users.
func (d *Directory) index(ctx context.Context, tenant, login string) (string, error) {
	key, err := d.loginKey(ctx, tenant)
	if err != nil || key == nil {
		return "", err
	}
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte(auth.NormalizeLogin(login))) // a hash does not fail
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), nil
}

// loginKey returns a copy of the tenant's key, nil if it has none yet.
func (d *Directory) loginKey(ctx context.Context, tenant string) ([]byte, error) {
	d.mu.Lock()
	known, there := d.loginKeys[tenant]
	key := append([]byte(nil), known...)
	d.mu.Unlock()
	if there {
		return key, nil
	}
	var wrapped string
	err := d.db.QueryRow(ctx, "SELECT wrapped_key FROM auth_login_keys WHERE tenant_id = $1", tenant).Scan(&wrapped)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read login key: %w", err)
	}
	if key, err = d.cfg.Barrier.Unwrap(ctx, loginKeyBinding(tenant), wrapped); err != nil {
		return nil, fmt.Errorf("open login key: %w", err)
	}
	d.mu.Lock()
	d.loginKeys[tenant] = append([]byte(nil), key...)
	d.mu.Unlock()
	return key, nil
}

// ensureLoginKey makes the tenant's key if it has none, and commits it by itself: a key that is used here must be there for good. Of several
// replicas that do so at once, one key comes.
func (d *Directory) ensureLoginKey(ctx context.Context, tenant string, w *barrier.Wrapper) error {
	ctx, err := d.db.Independent(database.WithTenant(ctx, tenant))
	if err != nil {
		return fmt.Errorf("make login key: %w", err)
	}
	key, err := d.loginKey(ctx, tenant)
	if err != nil || key != nil {
		return err
	}
	fresh := make([]byte, sha256.Size)
	defer clear(fresh)
	if _, err := rand.Read(fresh); err != nil {
		return fmt.Errorf("make login key: %w", err)
	}
	wrapped, err := w.Wrap(loginKeyBinding(tenant), fresh)
	if err != nil {
		return fmt.Errorf("wrap login key: %w", err)
	}
	if _, err := d.db.Exec(ctx, `
		INSERT INTO auth_login_keys (tenant_id, wrapped_key, created_at) VALUES ($1, $2, $3)
		ON CONFLICT (tenant_id) DO NOTHING`, tenant, wrapped, database.Micros(d.cfg.Now())); err != nil {
		return fmt.Errorf("keep login key: %w", err)
	}
	return nil
}

// Login implements auth.Realm. It reads what is committed; the account has no roles.
func (d *Directory) Login(ctx context.Context, tenant, login string) (*auth.Account, error) {
	ctx = database.WithTenant(ctx, tenant)
	index, err := d.index(ctx, tenant, login)
	if err != nil {
		return nil, unavailable(err)
	}
	account := &auth.Account{Realm: RealmName, Tenant: tenant, Kind: server.KindUser}
	var expires int64
	err = d.db.QueryRow(ctx, `
		SELECT u.id, u.password_hash, u.disabled, u.expires_at
		FROM auth_logins l JOIN auth_users u ON u.tenant_id = l.tenant_id AND u.id = l.user_id
		WHERE l.tenant_id = $1 AND l.login_index = $2`, tenant, index).Scan(&account.ID, &account.Password, &account.Disabled, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, auth.ErrUnknown
	}
	if err != nil {
		return nil, unavailable(fmt.Errorf("find user: %w", err))
	}
	account.ExpiresAt = database.Time(expires)
	return account, nil
}
