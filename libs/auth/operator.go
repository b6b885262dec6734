package auth

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// The attempts that all callers of the admin listener share: so many at once, and one more after each pause.
const (
	operatorBurst = 5
	operatorPause = 2 * time.Second
)

// Operators lets the operators of a file realm into the admin listener, without database and session: entries of the file with `operator:
// true`. A user presents id and password (Basic), a program its API token, client credentials or certificate. It is safe for concurrent use.
type Operators struct {
	realm     *FileRealm
	passwords *secrethash.Registry
	now       func() time.Time

	mu   sync.Mutex
	full time.Time // when all attempts are there again; guarded by mu
}

var _ server.AdminAuthenticator = (*Operators)(nil)

// NewOperators makes Operators. Passwords are verified with the registry of kind low entropy random.
func NewOperators(realm *FileRealm, passwords *secrethash.Registry, now func() time.Time) *Operators {
	return &Operators{realm: realm, passwords: passwords, now: now}
}

// Operator implements server.AdminAuthenticator. An attempt that fails uses up a part of the limit.
func (o *Operators) Operator(ctx context.Context, r *http.Request) (*server.Principal, error) {
	if after := o.take(); after > 0 {
		return nil, &tooManyError{after: after}
	}
	principal, err := o.authenticate(ctx, r)
	if err == nil {
		o.giveBack()
	}
	return principal, err
}

func (o *Operators) authenticate(ctx context.Context, r *http.Request) (*server.Principal, error) {
	state := o.realm.current.Load()
	user, password, basic := r.BasicAuth()
	if _, err := credential.Parse(password); !basic || err == nil || password == "" {
		principal, err := o.realm.gate.Authenticate(ctx, r)
		if err != nil {
			return nil, err
		}
		if !state.operators[state.accounts[accountKey{principal.Kind, principal.Tenant, principal.ID}]] {
			return nil, refuse(errNoOperator)
		}
		return principal, nil
	}
	if o.passwords == nil || len(password) > MaxPassword {
		return nil, refuse(errNoOperator)
	}
	account := state.byName[strings.ToLower(user)]
	if account == nil {
		if err := o.passwords.Spend(ctx, PreparePassword(password)); err != nil {
			return nil, err
		}
		return nil, refuse(errUnknown)
	}
	result, err := o.passwords.Verify(ctx, PreparePassword(password), account.Password)
	if err != nil {
		return nil, err
	}
	if !result.Match {
		return nil, refuse(errPassword)
	}
	principal, err := o.realm.gate.Principal(ctx, account.Tenant, account.Realm, account.Kind, account.ID)
	if err != nil {
		return nil, err
	}
	who := *principal
	who.AuthenticatedAt, who.Methods = o.now(), []string{methodPassword}
	return &who, nil
}

// errNoOperator is somebody who is known and has no business here.
var errNoOperator = errors.New("not an operator")

// take counts an attempt, and returns how long to wait when there is none left.
func (o *Operators) take() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	if o.full.Before(now) {
		o.full = now
	}
	if wait := o.full.Add(operatorPause).Sub(now) - operatorBurst*operatorPause; wait > 0 {
		return wait
	}
	o.full = o.full.Add(operatorPause)
	return 0
}

func (o *Operators) giveBack() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.full = o.full.Add(-operatorPause)
}
