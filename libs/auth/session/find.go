package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Reasons why a session is refused. They are logged; its holder only learns that it is not in force.
var (
	errNoCookie   = errors.New("no session cookie")
	errAmbiguous  = errors.New("several session cookies and no tenant in the path")
	errSecret     = errors.New("a wrong secret")
	errEnded      = errors.New("expired")
	errIdle       = errors.New("not used for too long")
	errCertifcate = errors.New("bound to a client certificate that the request does not come with")
	errMoved      = errors.New("it began before logins were federated")
	errOtherOwner = errors.New("the realm answers for somebody else")
)

// errNoSession is what a browser without a session in force is told.
func errNoSession(reason error) error {
	return problem.New(problem.SessionRequired, "log in first").Because(reason)
}

// errNoToken is what a program without a session in force is told.
func errNoToken(reason error) error {
	return problem.New(problem.Unauthenticated, "the session is not in force: present your credential again").Because(reason)
}

// Recognizes tells from the text alone whether a bearer token is a session's: then [Manager.Authenticate] decides over it, and nobody else.
func (m *Manager) Recognizes(token string) bool {
	if _, known := m.read.get(token); known {
		return true
	}
	_, _, ok := formatOf(token)
	return ok
}

// Authenticate returns whom a program's session token stands for. Errors: unauthenticated; wrong_client_type for the session of a browser; and
// codes that say that nobody can tell now, such as state_unavailable.
func (m *Manager) Authenticate(ctx context.Context, r *http.Request, token string) (*server.Principal, error) {
	found, err := m.decode(ctx, token)
	if err != nil {
		return nil, m.explain(err, errNoToken)
	}
	p, err := m.find(ctx, r, found, ClientService)
	if err != nil {
		return nil, m.explain(err, errNoToken)
	}
	m.read.put(token, found)
	return p, nil
}

// Session implements server.Sessions: it finds the session of a browser's cookie. Where the path names a tenant (/t/{tenant}), it is that
// tenant's. Elsewhere it is the default tenant's, or else that of the one other cookie there is.
func (m *Manager) Session(ctx context.Context, r *http.Request) (*server.Principal, error) {
	token, tenant, err := m.cookieOf(ctx, r)
	if err != nil {
		return nil, errNoSession(err)
	}
	found, err := m.decode(ctx, token)
	if err != nil {
		return nil, m.explain(err, errNoSession)
	}
	if found.tenant != tenant { // it was put into the cookie of another
		return nil, errNoSession(errNoCookie)
	}
	p, err := m.find(ctx, r, found, ClientBrowser)
	if err != nil {
		return nil, m.explain(err, errNoSession)
	}
	m.read.put(token, found)
	return p, nil
}

// explain turns what is wrong with a session into the one answer, and leaves errors that say that nobody can tell.
func (m *Manager) explain(err error, answer func(error) error) error {
	if err == nil {
		return nil
	}
	for _, reason := range []error{errToken, errAbsent, errSecret, errEnded, errIdle, errCertifcate, errMoved, errOtherOwner} {
		if errors.Is(err, reason) {
			return answer(err)
		}
	}
	var coded problem.Coded
	if errors.As(err, &coded) && coded.ErrorCode() == problem.Unauthenticated {
		return answer(err) // the owner is gone, or may not come in any more
	}
	return err
}

// find returns the principal of a session in force.
func (m *Manager) find(ctx context.Context, request *http.Request, found reading, client string) (*server.Principal, error) {
	r, err := m.fact(ctx, found.tenant, found.id)
	if err != nil {
		return nil, err
	}
	ok, err := m.proves(ctx, r, found.secret)
	if err != nil {
		return nil, err
	}
	now := m.deps.Now()
	switch {
	case !ok:
		return nil, errSecret
	case !now.Before(r.expiresAt):
		return nil, errEnded
	case r.client != client:
		return nil, problem.New(problem.WrongClientType, "the session is for a client of type %s", r.client)
	case len(r.confirmation) > 0 && !bytes.Equal(r.confirmation, thumbprint(request)):
		return nil, errCertifcate
	}
	if r.idleAt(now) { // Another replica may know of a later use.
		m.facts.Forget(r.tenant, r.id)
		if r, err = m.fact(ctx, r.tenant, r.id); err != nil {
			return nil, err
		}
		if r.idleAt(now) {
			return nil, errIdle
		}
	}
	admin, err := m.federated(ctx, r, now)
	if err != nil {
		return nil, err
	}
	owner, err := m.deps.Principals.Continue(ctx, request, r.owner())
	if err != nil {
		return nil, fmt.Errorf("owner of session %s: %w", r.id, err)
	}
	if owner.Tenant != r.tenant || owner.Kind != r.kind || owner.ID != r.principal {
		return nil, errOtherOwner
	}
	m.uses.use(r, now)
	return m.principal(r, owner, admin), nil
}

// principal is the owner with what the session leaves: the rights that both have.
func (m *Manager) principal(r *record, owner *server.Principal, admin bool) *server.Principal {
	p := *owner
	p.Scopes, p.Roles = both(r.scopes, owner.Scopes), both(r.roles, owner.Roles)
	if !admin {
		p.Scopes, p.Roles = slices.DeleteFunc(slices.Clone(p.Scopes), m.deps.AdminScope), nil
	}
	p.SessionID, p.AuthenticatedAt, p.Methods, p.Credential = r.id, r.authenticatedAt, r.methods, r.credential
	p.Confirmed, p.Narrowed = len(r.confirmation) > 0, r.narrowed
	if p.ExpiresAt.IsZero() || r.expiresAt.Before(p.ExpiresAt) {
		p.ExpiresAt = r.expiresAt
	}
	return &p
}

// both are the elements of a that b has too; a itself if that is all of them.
func both(a, b []string) []string {
	missing := func(s string) bool { return !slices.Contains(b, s) }
	if !slices.ContainsFunc(a, missing) {
		return a
	}
	return slices.DeleteFunc(slices.Clone(a), missing)
}

func (m *Manager) fact(ctx context.Context, tenant, id string) (*record, error) {
	return m.facts.Get(ctx, tenant, id, func(ctx context.Context) (*record, error) { return m.load(ctx, tenant, id) })
}

// idleAt tells whether the session was not used for too long, as far as this replica knows.
func (r *record) idleAt(now time.Time) bool {
	return now.UnixMicro()-r.used.Load() >= r.idle.Microseconds()
}

// cookieOf returns the token in the cookie of the right tenant.
func (m *Manager) cookieOf(ctx context.Context, r *http.Request) (token, tenant string, err error) {
	tokens := map[string]string{} // by tenant
	for _, c := range r.Cookies() {
		tenant, ok := strings.CutPrefix(c.Name, m.cookiePrefix())
		if !ok || !credential.ValidTenant(tenant) {
			continue
		}
		if _, twice := tokens[tenant]; twice { // Only one can be ours, and nobody knows which.
			return "", "", errAmbiguous
		}
		tokens[tenant] = c.Value
	}
	if tenant = server.TenantFrom(ctx); tenant == "" {
		tenant = server.DefaultTenant
	}
	if token, ok := tokens[tenant]; ok {
		return token, tenant, nil
	}
	if tenant != server.DefaultTenant || strings.HasPrefix(r.URL.Path, "/t/") {
		return "", "", errNoCookie
	}
	if len(tokens) > 1 {
		return "", "", errAmbiguous
	}
	for tenant, token := range tokens {
		return token, tenant, nil
	}
	return "", "", errNoCookie
}

// LoginOf is the name that the owner of a session has logged in by, "" where there was none; an error with the code session_required if
// the session has ended.
func (m *Manager) LoginOf(ctx context.Context, p *server.Principal) (string, error) {
	r, err := m.fact(ctx, p.Tenant, p.SessionID)
	if err != nil {
		return "", m.explain(err, errNoSession)
	}
	return r.login, nil
}
