package server

import (
	"context"
	"slices"
	"time"
)

// Kinds of principals.
const (
	KindClient   = "client"
	KindAPIToken = "api_token"
	KindUser     = "user"
)

// Principal is the authenticated caller of one request.
type Principal struct {
	// Tenant is the tenant that the credential belongs to; nothing in the request can change it.
	Tenant string
	// Realm names the realm that knew the credential.
	Realm string
	// Kind says who the caller is: KindUser, KindClient or KindAPIToken.
	Kind string
	// ID is unique among the tenant's principals of this kind; Name is for people.
	ID, Name string
	// Scopes are what the credential grants, those of the roles included.
	Scopes []string
	// Roles are the bundles of scopes that the principal holds.
	Roles []string
	// ExpiresAt is when the credential ends; zero means that it does not.
	ExpiresAt time.Time
	// AuthenticatedAt is when the principal last proved who it is, and Methods are how (RFC 8176, such as "pwd" and "mtls").
	AuthenticatedAt time.Time
	Methods         []string
	// Credential names, to the realm, the secret, password or certificate that the principal came by, or that the session began with: what goes on
	// ends with it. "" where nobody knows. It is no secret.
	Credential string
	// SessionID is the session's through which the principal came; "" without one.
	SessionID string
	// Narrowed tells that the principal asked for fewer scopes than it has: what it was granted on single resources does not count then.
	Narrowed bool
	// Confirmed tells that the credential is bound to its sender: by a client certificate (RFC 8705) or by DPoP (RFC 9449).
	Confirmed bool
}

// Person tells whether the principal is a human being.
func (p *Principal) Person() bool { return p.Kind == KindUser }

// HasScope tells whether the credential grants the scope.
func (p *Principal) HasScope(scope string) bool { return slices.Contains(p.Scopes, scope) }

// PrincipalFrom returns the caller of the request that ctx belongs to.
func PrincipalFrom(ctx context.Context) (*Principal, bool) {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok || c.principal == nil {
		return nil, false
	}

	return c.principal, true
}

// RequestIDFrom returns the id of the request that ctx belongs to, "" outside of one.
func RequestIDFrom(ctx context.Context) string {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		return ""
	}

	return c.requestID()
}

// WithPrincipal returns a context as a handler of this caller would see it, for tests of handlers and for work done on
// somebody's behalf outside a request.
func WithPrincipal(ctx context.Context, p *Principal) context.Context {
	return &call{Context: ctx, principal: p}
}
