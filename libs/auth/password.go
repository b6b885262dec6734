package auth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// PasswordStore changes the passwords of a realm, and remembers from where users have logged in.
type PasswordStore interface {
	// Name is the realm's.
	Name() string
	// SetPassword replaces the hash if it is still the old one, and tells whether it did.
	SetPassword(ctx context.Context, tenant, user, old, next string) (bool, error)
	// KnownOrigin tells whether the user has logged in from the address before. It costs the same for a user who does not exist.
	KnownOrigin(ctx context.Context, tenant, user string, address netip.Addr) (bool, error)
	// AddOrigin remembers that the user logged in from the address now.
	AddOrigin(ctx context.Context, tenant, user string, address netip.Addr) error
}

// PasswordsConfig is what Passwords needs.
type PasswordsConfig struct {
	// Gate knows the realms.
	Gate *Gate
	// Hashes is the registry of kind low entropy random.
	Hashes *secrethash.Registry
	// Limiter is exact across replicas. If it has a method Forgive(ctx, key) error, a login gives back what its mistypings took.
	Limiter server.Limiter
	// Store keeps what changes; nil for a file realm alone, whose passwords change in the file.
	Store PasswordStore
}

// Passwords verifies the passwords of users. It is safe for concurrent use.
//
// Guessing is bounded three times: by the pair of account and address, by the address, and by the account from all addresses together (SP
// 800-63B section 5.2.2). The third would let anybody lock anybody out, so it is not for addresses from which the user has logged in before.
type Passwords struct {
	cfg     PasswordsConfig
	waiting atomic.Int64 // passwords that are verified or wait for it
}

// maxWaiting bounds them. Each takes a processor for a tenth of a second or more: who comes later would wait for long, and hold what other
// requests need. That is for those who have many addresses, whom no limit by address holds back.
const (
	maxWaiting = 64
	waitPause  = 2 * time.Second
)

// Attempts allowed; a user who does not exist is counted like one who does.
func pairRate() server.Rate    { return server.Rate{Limit: 10, Per: 10 * time.Minute, Burst: 10} }
func addressRate() server.Rate { return server.Rate{Limit: 60, Per: 10 * time.Minute, Burst: 60} }
func accountRate() server.Rate { return server.Rate{Limit: 20, Per: time.Hour, Burst: 50} }
func changeRate() server.Rate  { return server.Rate{Limit: 10, Per: 10 * time.Minute, Burst: 10} }

// NewPasswords makes Passwords.
func NewPasswords(cfg PasswordsConfig) (*Passwords, error) {
	if cfg.Gate == nil || cfg.Hashes == nil || cfg.Limiter == nil {
		return nil, errors.New("new passwords: Gate, Hashes and Limiter are required")
	}
	return &Passwords{cfg: cfg}, nil
}

// maxLogin is the longest login name or e-mail address in bytes (RFC 5321 section 4.5.3.1 allows 254 for the latter).
const maxLogin = 254

// Password returns the user who logs in by this name or e-mail address and password. The codes are unauthenticated, the same for an unknown
// user as for a wrong password and at the same cost; rate_limited; and state_unavailable. The principal's Methods are ["pwd"].
func (p *Passwords) Password(ctx context.Context, tenant, login, password string, address netip.Addr) (*server.Principal, error) {
	g := p.cfg.Gate
	if g.cfg.Fresh != nil {
		if err := g.cfg.Fresh(); err != nil {
			return nil, err
		}
	}
	login = NormalizeLogin(login)
	if login == "" || len(login) > maxLogin || len(password) > MaxPassword {
		return nil, refuseLogin(errMalformedLogin)
	}
	defer p.waiting.Add(-1)
	if p.waiting.Add(1) > maxWaiting {
		return nil, &tooManyError{after: waitPause}
	}
	account, err := p.find(ctx, tenant, login)
	if err != nil && !errors.Is(err, ErrUnknown) {
		return nil, err
	}
	pair, err := p.limit(ctx, tenant, login, account, address)
	if err != nil {
		return nil, err
	}
	rehash, err := p.verify(ctx, account, password)
	if err != nil {
		return nil, err
	}
	principal, err := g.Principal(ctx, tenant, account.Realm, account.Kind, account.ID)
	if err != nil {
		return nil, err
	}
	p.succeeded(ctx, account, password, address, pair, rehash)
	who := *principal
	who.AuthenticatedAt, who.Methods = g.cfg.Now(), []string{methodPassword}
	if !p.stores(account) { // the store's are hashed anew from time to time, and who changes one ends what began with it
		who.Credential = proof(methodPassword, account.Password)
	}
	return &who, nil
}

// Reasons that are logged only.
var (
	errMalformedLogin = errors.New("a login name or password that nobody can have")
	errPassword       = errors.New("a wrong password")
)

// refuseLogin is the one answer to a login that fails.
func refuseLogin(reason error) error {
	return problem.New(problem.Unauthenticated, "the user name or the password is not right").Because(reason)
}

// find asks every realm, so that it takes as long for a user whom the first one knows as for nobody.
func (p *Passwords) find(ctx context.Context, tenant, login string) (*Account, error) {
	var found *Account
	for _, realm := range p.cfg.Gate.cfg.Realms {
		account, err := realm.Login(ctx, tenant, login)
		if err != nil && !errors.Is(err, ErrUnknown) {
			return nil, err
		}
		if found == nil && err == nil {
			found = account
		}
	}
	if found == nil {
		return nil, ErrUnknown
	}
	return found, nil
}

// limit counts the attempt and returns the key of account and address.
func (p *Passwords) limit(ctx context.Context, tenant, login string, account *Account, address netip.Addr) (string, error) {
	network := originOf(address).String()
	user := ""
	if account != nil {
		user = account.ID
	}
	cost := 1
	if p.cfg.Store != nil {
		known, err := p.cfg.Store.KnownOrigin(ctx, tenant, user, originOf(address))
		if err != nil {
			return "", err
		}
		if known {
			cost = 0
		}
	}
	pair := "login/pair/" + tenant + "/" + login + "/" + network
	for _, bound := range []struct {
		key  string
		rate server.Rate
		cost int
	}{
		{"login/address/" + network, addressRate(), 1},
		{pair, pairRate(), 1},
		{"login/account/" + tenant + "/" + login, accountRate(), cost},
	} {
		verdict, err := p.cfg.Limiter.Allow(ctx, bound.key, bound.rate, bound.cost)
		if err != nil {
			return "", err
		}
		if !verdict.Allowed && bound.cost > 0 {
			return "", &tooManyError{after: verdict.RetryAfter}
		}
	}
	return pair, nil
}

// originOf is the network whose addresses count as one: an IPv6 subscriber has 2^64 of them (RFC 6177).
func originOf(address netip.Addr) netip.Addr {
	address = address.Unmap().WithZone("")
	if address.Is6() {
		const subscriber = 64
		return netip.PrefixFrom(address, subscriber).Masked().Addr()
	}
	return address
}

// verify compares, or costs as much; rehash tells that the hash is of an old policy.
func (p *Passwords) verify(ctx context.Context, account *Account, password string) (rehash bool, err error) {
	if account == nil || account.Password == "" {
		if err := p.cfg.Hashes.Spend(ctx, PreparePassword(password)); err != nil {
			return false, err
		}
		return false, refuseLogin(errUnknown)
	}
	result, err := p.cfg.Hashes.Verify(ctx, PreparePassword(password), account.Password)
	if err != nil {
		return false, fmt.Errorf("verify the password of user %s: %w", account.ID, err)
	}
	if !result.Match {
		return false, refuseLogin(fmt.Errorf("user %s of tenant %s: %w", account.ID, account.Tenant, errPassword))
	}
	return result.Rehash, nil
}

// succeeded does what a login leaves behind. None of it is worth to refuse the login for.
func (p *Passwords) succeeded(ctx context.Context, account *Account, password string, address netip.Addr, pair string, rehash bool) {
	log := p.cfg.Gate.cfg.Log
	if limiter, ok := p.cfg.Limiter.(interface {
		Forgive(ctx context.Context, key string) error
	}); ok {
		if err := limiter.Forgive(ctx, pair); err != nil {
			log.WarnContext(ctx, "login attempts not forgiven", "error", err)
		}
	}
	if !p.stores(account) {
		return
	}
	if err := p.cfg.Store.AddOrigin(ctx, account.Tenant, account.ID, originOf(address)); err != nil {
		log.WarnContext(ctx, "origin of a login not kept", "error", err)
	}
	if !rehash {
		return
	}
	next, err := p.cfg.Hashes.Hash(ctx, PreparePassword(password))
	if err == nil {
		_, err = p.cfg.Store.SetPassword(ctx, account.Tenant, account.ID, account.Password, next)
	}
	if err != nil {
		log.WarnContext(ctx, "password not rehashed", "user", account.ID, "error", err)
	}
}

// stores tells whether the account's password is kept by the store, and not in a file.
func (p *Passwords) stores(account *Account) bool {
	return p.cfg.Store != nil && p.cfg.Store.Name() == account.Realm
}

// ChangePassword replaces a user's own password. The codes are unauthenticated (the old one is wrong), rate_limited, validation_failed (the
// new one is too weak), conflict (it was changed meanwhile) and invalid_state (it stands in the file realm). The caller ends the user's
// other sessions.
func (p *Passwords) ChangePassword(ctx context.Context, tenant, user, old, next string) error {
	account, err := p.cfg.Gate.account(ctx, server.KindUser, tenant, user)
	if err != nil && !errors.Is(err, ErrUnknown) {
		return err
	}
	if p.cfg.Store == nil || account != nil && account.Realm != p.cfg.Store.Name() {
		return problem.New(problem.InvalidState, "the password stands in the service's realm file and is changed there")
	}
	verdict, err := p.cfg.Limiter.Allow(ctx, "login/change/"+tenant+"/"+user, changeRate(), 1)
	if err != nil {
		return err
	}
	if !verdict.Allowed {
		return &tooManyError{after: verdict.RetryAfter}
	}
	if len(old) > MaxPassword {
		return refuseLogin(errMalformedLogin)
	}
	if _, err := p.verify(ctx, account, old); err != nil {
		return err
	}
	if old == next {
		return problem.New(problem.ValidationFailed, "the new password is the old one")
	}
	if err := CheckPassword(next, account.Name); err != nil {
		return err
	}
	hash, err := p.cfg.Hashes.Hash(ctx, PreparePassword(next))
	if err != nil {
		return fmt.Errorf("change password: %w", err)
	}
	changed, err := p.cfg.Store.SetPassword(ctx, tenant, user, account.Password, hash)
	if err != nil {
		return fmt.Errorf("change password: %w", err)
	}
	if !changed {
		return problem.New(problem.Conflict, "the password has been changed meanwhile")
	}
	return nil
}
