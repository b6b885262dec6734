package login_test

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/auth/session"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// clock can be moved; otherwise it is the real one.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration // guarded by mu
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// users are the users, their passwords, and the one API token.
type users struct {
	mu        sync.Mutex
	passwords map[string]string // guarded by mu; by tenant/login
	err       error             // guarded by mu; what every question gets
	addresses []netip.Addr      // guarded by mu
}

func newUsers() *users {
	return &users{passwords: map[string]string{"default/alice": alicePassword, "acme/alice": "another password", "default/mallory": "my own password"}}
}

func (u *users) fail(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.err = err
}

func principalOf(tenant, name string) *server.Principal {
	p := &server.Principal{
		Tenant: tenant, Realm: "database", Kind: server.KindUser, ID: "id-" + name, Name: strings.ToUpper(name[:1]) + name[1:] + " <b>Example</b>",
		Scopes: []string{"kms:read", "kms:encrypt"}, Roles: []string{"operator"}, Methods: []string{"pwd"},
	}
	return p
}

func wrong() error { return problem.New(problem.Unauthenticated, "wrong") }

func (u *users) Password(_ context.Context, tenant, name, password string, address netip.Addr) (*server.Principal, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.addresses = append(u.addresses, address)
	if u.err != nil {
		return nil, u.err
	}
	if want, ok := u.passwords[tenant+"/"+name]; !ok || want != password {
		return nil, wrong()
	}
	return principalOf(tenant, name), nil
}

func (u *users) ChangePassword(_ context.Context, tenant, id, old, next string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	key := tenant + "/" + strings.TrimPrefix(id, "id-")
	switch {
	case u.err != nil:
		return u.err
	case u.passwords[key] != old:
		return wrong()
	case len(next) < 15:
		return problem.New(problem.ValidationFailed, "a password has at least 15 characters")
	}
	u.passwords[key] = next
	return nil
}

func (u *users) Continue(_ context.Context, _ *http.Request, was *server.Principal) (*server.Principal, error) {
	if was.Kind == server.KindAPIToken {
		return tokenPrincipal(), nil
	}
	return principalOf(was.Tenant, strings.TrimPrefix(was.ID, "id-")), nil
}

func tokenPrincipal() *server.Principal {
	return &server.Principal{
		Tenant: "default", Realm: "database", Kind: server.KindAPIToken, ID: "ci", Name: "Build", Scopes: []string{"kms:read"}, Methods: []string{"token"},
	}
}

// gate lets programs in: by the one API token, or by a session.
type gate struct{ sessions *session.Manager }

func (g gate) Authenticate(ctx context.Context, r *http.Request) (*server.Principal, error) {
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case token == apiToken:
		return tokenPrincipal(), nil
	case g.sessions.Recognizes(token):
		return g.sessions.Authenticate(ctx, r, token)
	}
	return nil, wrong()
}
