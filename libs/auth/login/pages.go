// Package login has the pages on which people log in to a service of their own, without an identity provider: login, logout, fresh
// authentication, and an account page with the sessions and the password. Its main type is [Pages].
//
// The pages work without JavaScript, and their content security policy allows none. Every form carries a token that is bound to the
// browser's cookie, the login form too: nobody is logged in to somebody else's account from another site.
package login

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/auth/session"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// Passwords verifies and changes the passwords of users.
type Passwords interface {
	// Password returns the user whose login name and password these are, with Methods and AuthenticatedAt. The error has the code
	// unauthenticated, alike and at the same cost for an unknown user, a wrong password and a disabled user; rate_limited, with
	// RetryAfter; or state_unavailable.
	Password(ctx context.Context, tenant, login, password string, address netip.Addr) (*server.Principal, error)
	// ChangePassword sets a new password. The error has the code unauthenticated when the old one is wrong, validation_failed, with
	// a detail that is shown, when the new one is not acceptable, and otherwise those of Password.
	ChangePassword(ctx context.Context, tenant, userID, oldPassword, newPassword string) error
}

// Config is what Pages stand on. Tenants, Limiter and Address may be nil.
type Config struct {
	Sessions  *session.Manager
	Passwords Passwords
	// Keys derives the key of the forms' tokens; the barrier is one.
	Keys Keys
	// Tenants knows which tenants there are, and are active.
	Tenants server.Tenants
	// Limiter bounds attempts per address and per session, exactly and across replicas.
	Limiter server.Limiter
	// Address is the client's address, behind trusted proxies the one that they name; nil takes the connection's.
	Address func(ctx context.Context, r *http.Request) netip.Addr
	// Title is what the pages are headed with, such as "Key management".
	Title string
	// Home is the local path to go to after a login that was asked for without one; "" for the account page.
	Home string
	Now  func() time.Time
	Log  *slog.Logger
}

// Keys derives keys that are the same on every replica. [barrier.Barrier] is one.
type Keys interface {
	DeriveKey(label string, n int) ([]byte, error)
}

// Pages serves the pages.
type Pages struct {
	cfg Config
}

// New makes the pages.
func New(cfg Config) (*Pages, error) {
	if cfg.Sessions == nil || cfg.Passwords == nil || cfg.Keys == nil || cfg.Now == nil || cfg.Log == nil {
		return nil, errors.New("new login pages: sessions, passwords, keys, clock and log are mandatory")
	}
	return &Pages{cfg: cfg}, nil
}

// Protocols are the routes of the pages, for server.Deps.
func (p *Pages) Protocols() []server.Protocol { return nil }
