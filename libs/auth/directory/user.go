package directory

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// User is a person who logs in.
type User struct {
	ID string
	// Login and, unless it is "", Email are what the user logs in by. Name is for people.
	Login, Email, Name string
	HasPassword        bool
	Disabled           bool
	ExpiresAt          time.Time // zero: never
	Version            int64
	CreatedAt          time.Time
	UpdatedAt          time.Time
}

func (u User) profile() profile { return profile{Login: u.Login, Email: u.Email, Name: u.Name} }

// CreateUser adds a user, without a password if that is "". Codes: validation_failed, conflict (somebody logs in by that name).
func (d *Directory) CreateUser(ctx context.Context, by *server.Principal, user User, password string) (User, error) {
	hash := ""
	var err error
	if password != "" {
		if err := auth.CheckPassword(password, user.Login, user.Name); err != nil {
			return User{}, err
		}
		if hash, err = d.cfg.Passwords.Hash(ctx, auth.PreparePassword(password)); err != nil {
			return User{}, fmt.Errorf("hash password: %w", err)
		}
	}
	if user.ID, err = newID(); err != nil {
		return User{}, err
	}
	w, err := d.wrapper(ctx, by.Tenant)
	if err != nil {
		return User{}, err
	}
	if err := d.ensureLoginKey(ctx, by.Tenant, w); err != nil {
		return User{}, err
	}
	now := d.cfg.Now()
	user.HasPassword, user.Version, user.CreatedAt, user.UpdatedAt = hash != "", 1, now, now
	err = d.change(ctx, by.Tenant, func(ctx context.Context) (Event, []note, error) {
		wrapped, err := wrapProfile(w, by.Tenant, user.ID, user.profile())
		if err != nil {
			return Event{}, nil, err
		}
		if _, err := d.db.Exec(ctx, `
			INSERT INTO auth_users (tenant_id, id, profile, password_hash, disabled, expires_at, version, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $7)`,
			by.Tenant, user.ID, wrapped, hash, user.Disabled, database.Micros(user.ExpiresAt), database.Micros(now)); err != nil {
			return Event{}, nil, fmt.Errorf("insert user: %w", err)
		}
		if err := d.setLogins(ctx, by.Tenant, user); err != nil {
			return Event{}, nil, err
		}
		return Event{Action: "user.create", By: by, ObjectKind: "user", ObjectID: user.ID}, []note{{by.Tenant, kindUser, user.ID}}, nil
	})
	if err != nil {
		return User{}, err
	}
	return user, nil
}

func (d *Directory) wrapper(ctx context.Context, tenant string) (*barrier.Wrapper, error) {
	w, err := d.cfg.Barrier.Tenant(database.WithTenant(ctx, tenant), tenant)
	if err != nil {
		return nil, fmt.Errorf("keys of tenant %s: %w", tenant, err)
	}
	return w, nil
}

// setLogins replaces the names by which the user is found.
func (d *Directory) setLogins(ctx context.Context, tenant string, user User) error {
	if _, err := d.db.Exec(ctx, "DELETE FROM auth_logins WHERE tenant_id = $1 AND user_id = $2", tenant, user.ID); err != nil {
		return fmt.Errorf("drop logins: %w", err)
	}
	for _, login := range user.profile().logins() {
		index, err := d.index(ctx, tenant, login)
		if err != nil {
			return err
		}
		result, err := d.db.Exec(ctx, `
			INSERT INTO auth_logins (tenant_id, login_index, user_id) VALUES ($1, $2, $3) ON CONFLICT (tenant_id, login_index) DO NOTHING`,
			tenant, index, user.ID)
		if err := one(result, err, func() error { return taken("login name or e-mail address") }); err != nil {
			return fmt.Errorf("insert login: %w", err)
		}
	}
	return nil
}

// User returns a user; not_found.
func (d *Directory) User(ctx context.Context, tenant, id string) (User, error) {
	ctx = database.WithTenant(ctx, tenant)
	rows, err := d.db.Query(ctx, selectUsers+" AND id = $2 ORDER BY id", tenant, id)
	if err != nil {
		return User{}, fmt.Errorf("read user: %w", err)
	}
	found, err := d.openUsers(ctx, tenant, rows)
	if err == nil && len(found) == 0 {
		err = notFound()
	}
	if err != nil {
		return User{}, err
	}
	return found[0], nil
}

const selectUsers = `
	SELECT id, profile, password_hash <> '', disabled, expires_at, version, created_at, updated_at FROM auth_users WHERE tenant_id = $1`

// Users lists users in the order of their ids after the one given. With a login only the user who logs in by it.
func (d *Directory) Users(ctx context.Context, tenant, login, after string, limit int) ([]User, error) {
	ctx = database.WithTenant(ctx, tenant)
	query, key := selectUsers+" AND id > $2 AND $4 = '' ORDER BY id LIMIT $3", ""
	if login != "" {
		index, err := d.index(ctx, tenant, login)
		if err != nil {
			return nil, err
		}
		key = index
		query = selectUsers + " AND id > $2 AND id IN (SELECT user_id FROM auth_logins WHERE tenant_id = $1 AND login_index = $4) ORDER BY id LIMIT $3"
	}
	rows, err := d.db.Query(ctx, query, tenant, after, int64(limit), key)
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	return d.openUsers(ctx, tenant, rows)
}

// openUsers reads the rows first: opening a profile may ask the database for a key.
func (d *Directory) openUsers(ctx context.Context, tenant string, rows *sql.Rows) ([]User, error) {
	type sealed struct {
		User

		profile string
	}
	found, err := database.Collect(rows, func(r database.Scanner) (sealed, error) {
		var s sealed
		var expires, created, updated int64
		err := r.Scan(&s.ID, &s.profile, &s.HasPassword, &s.Disabled, &expires, &s.Version, &created, &updated)
		s.ExpiresAt, s.CreatedAt, s.UpdatedAt = database.Time(expires), database.Time(created), database.Time(updated)
		return s, err
	})
	if err != nil {
		return nil, fmt.Errorf("read users: %w", err)
	}
	users := make([]User, 0, len(found))
	for _, s := range found {
		p, err := d.openProfile(ctx, tenant, s.ID, s.profile)
		if err != nil {
			return nil, err
		}
		s.Login, s.Email, s.Name = p.Login, p.Email, p.Name
		users = append(users, s.User)
	}
	return users, nil
}

// UpdateUser changes a user whose version is the given one; precondition_failed otherwise. Disabling ends the sessions. Changing what one
// logs in by is taking the account over, so that the caller must have what it has.
func (d *Directory) UpdateUser(ctx context.Context, by *server.Principal, id string, version int64, edit func(*User) error) (User, error) {
	var user User
	w, err := d.wrapper(ctx, by.Tenant)
	if err != nil {
		return User{}, err
	}
	err = d.change(ctx, by.Tenant, func(ctx context.Context) (Event, []note, error) {
		if err := d.mayControl(ctx, by, server.KindUser, id); err != nil {
			return Event{}, nil, err
		}
		was, err := d.User(ctx, by.Tenant, id)
		if err != nil {
			return Event{}, nil, err
		}
		user = was
		if err := edit(&user); err != nil {
			return Event{}, nil, err
		}
		user.Version, user.UpdatedAt = version+1, d.cfg.Now()
		wrapped, err := wrapProfile(w, by.Tenant, id, user.profile())
		if err != nil {
			return Event{}, nil, err
		}
		result, err := d.db.Exec(ctx, `
			UPDATE auth_users SET profile = $4, disabled = $5, expires_at = $6, version = version + 1, updated_at = $7
			WHERE tenant_id = $1 AND id = $2 AND version = $3`,
			by.Tenant, id, version, wrapped, user.Disabled, database.Micros(user.ExpiresAt), database.Micros(user.UpdatedAt))
		if err := one(result, err, stale); err != nil {
			return Event{}, nil, fmt.Errorf("update user: %w", err)
		}
		if !slices.Equal(was.profile().logins(), user.profile().logins()) {
			if err := d.setLogins(ctx, by.Tenant, user); err != nil {
				return Event{}, nil, err
			}
		}
		if user.Disabled && !was.Disabled {
			if err := d.end(ctx, by.Tenant, server.KindUser, id); err != nil {
				return Event{}, nil, err
			}
		}
		return Event{Action: "user.update", By: by, ObjectKind: "user", ObjectID: id}, []note{{by.Tenant, kindUser, id}}, nil
	})
	return user, err
}

// DeleteUser removes a user with everything that is the user's: roles, grants, API tokens, sessions.
func (d *Directory) DeleteUser(ctx context.Context, by *server.Principal, id string) error {
	return d.change(ctx, by.Tenant, func(ctx context.Context) (Event, []note, error) {
		if err := d.mayControl(ctx, by, server.KindUser, id); err != nil {
			return Event{}, nil, err
		}
		notes := []note{{by.Tenant, kindUser, id}, {by.Tenant, kindGrants, server.KindUser + " " + id}}
		tokens, err := d.column(ctx, "SELECT id FROM auth_api_tokens WHERE tenant_id = $1 AND owner_id = $2", by.Tenant, id)
		if err != nil {
			return Event{}, nil, fmt.Errorf("read tokens of user: %w", err)
		}
		for _, token := range tokens {
			more, err := d.dropToken(ctx, by.Tenant, token)
			if err != nil {
				return Event{}, nil, err
			}
			notes = append(notes, more...)
		}
		if err := d.drop(ctx, by.Tenant, server.KindUser, id); err != nil {
			return Event{}, nil, err
		}
		result, err := d.db.Exec(ctx, "DELETE FROM auth_users WHERE tenant_id = $1 AND id = $2", by.Tenant, id)
		if err := one(result, err, notFound); err != nil {
			return Event{}, nil, fmt.Errorf("delete user: %w", err)
		}
		return Event{Action: "user.delete", By: by, ObjectKind: "user", ObjectID: id}, notes, nil
	})
}

func (d *Directory) loadUser(ctx context.Context, tenant, id string) (*auth.Account, error) {
	account := &auth.Account{}
	var wrapped string
	var expires int64
	err := d.db.QueryRow(ctx, "SELECT profile, password_hash, disabled, expires_at FROM auth_users WHERE tenant_id = $1 AND id = $2", tenant, id).
		Scan(&wrapped, &account.Password, &account.Disabled, &expires)
	if err != nil {
		return nil, err
	}
	p, err := d.openProfile(ctx, tenant, id, wrapped)
	account.Name, account.ExpiresAt = p.display(), database.Time(expires)
	return account, err
}
