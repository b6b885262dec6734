package auth

import (
	"context"
	"errors"
	"net/netip"

	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// PasswordStore changes the passwords of a realm.
type PasswordStore interface {
	// SetPassword replaces the hash if it is still the old one, and tells whether it did.
	SetPassword(ctx context.Context, tenant, user, old, next string) (bool, error)
	// KnownOrigin tells whether the user has logged in from the address before, and AddOrigin that it did now.
	KnownOrigin(ctx context.Context, tenant, user string, address netip.Addr) (bool, error)
	AddOrigin(ctx context.Context, tenant, user string, address netip.Addr) error
}

// PasswordsConfig is what Passwords needs.
type PasswordsConfig struct {
	// Gate knows the realms.
	Gate *Gate
	// Hashes is the registry of kind low entropy random.
	Hashes *secrethash.Registry
	// Limiter is exact across replicas.
	Limiter server.Limiter
	// Store keeps what changes; nil for a file realm alone, whose passwords change in the file.
	Store PasswordStore
}

// Passwords verifies the passwords of users. It is safe for concurrent use.
type Passwords struct {
	cfg PasswordsConfig
}

// NewPasswords makes Passwords.
func NewPasswords(cfg PasswordsConfig) (*Passwords, error) {
	if cfg.Gate == nil || cfg.Hashes == nil || cfg.Limiter == nil {
		return nil, errors.New("new passwords: Gate, Hashes and Limiter are required")
	}
	return &Passwords{cfg: cfg}, nil
}

// Password returns the user who logs in by this name or e-mail address and password. The codes are unauthenticated, the same for an unknown
// user as for a wrong password and at the same cost; rate_limited; and state_unavailable. The principal's Methods are ["pwd"].
func (p *Passwords) Password(ctx context.Context, tenant, login, password string, address netip.Addr) (*server.Principal, error) {
	return nil, refuse(errUnknown)
}

// ChangePassword replaces a user's own password. The codes are unauthenticated (the old one is wrong), rate_limited, validation_failed (the
// new one is too weak) and invalid_state (it stands in the file realm). The caller ends the user's other sessions.
func (p *Passwords) ChangePassword(ctx context.Context, tenant, user, old, next string) error {
	return refuse(errUnknown)
}
