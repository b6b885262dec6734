package auth

import (
	"context"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server"
)

// Grant gives scopes for named resources only.
type Grant struct {
	// Kind is the resources' kind, such as "elastic-key". Resource is the id or name of one, or with Prefix how the names begin.
	Kind, Resource string
	Prefix         bool
	Scopes         []string
	// ExpiresAt is when the grant ends; zero: never.
	ExpiresAt time.Time
}

// GrantSource knows the grants of principals and roles.
type GrantSource interface {
	// Grants returns those of a subject: a kind of principal, or "role", and its id. It may lag by a second.
	Grants(ctx context.Context, tenant, subjectKind, subjectID string) ([]Grant, error)
}

// Access decides about single resources. It is safe for concurrent use.
type Access struct {
	source  GrantSource
	product string
	now     func() time.Time
}

// NewAccess makes an Access for the product, whose scope product:admin holds all others but product:tenants. Without a source there are no
// grants, and the scopes alone decide.
func NewAccess(product string, source GrantSource, now func() time.Time) *Access {
	return &Access{source: source, product: product, now: now}
}

// Allowed tells whether the principal may use the scope on a resource, which is known by any of these names: because it holds the scope, or
// because of a grant to it or to one of its roles. An error means that nobody can tell now.
func (a *Access) Allowed(ctx context.Context, p *server.Principal, scope, kind string, names ...string) (bool, error) {
	return false, nil
}

// Some tells whether the principal has one of these sets of scopes for some resource of the kind: whether asking Allowed is worth while.
func (a *Access) Some(ctx context.Context, p *server.Principal, scopes [][]string, kind string) (bool, error) {
	return false, nil
}
