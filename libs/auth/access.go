package auth

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/cryptoutil/cryptoutil/libs/server"
)

// SubjectRole is the kind of a grant's subject that is a role; the others are the kinds of principals.
const SubjectRole = "role"

// Grant gives scopes for named resources only.
type Grant struct {
	// Kind is the resources' kind, such as "elastic-key". Resource is the id or name of one, or with Prefix how the names begin.
	Kind, Resource string
	Prefix         bool
	Scopes         []string
	// Terms narrow the grant, in the words of whoever decides about resources of the kind; empty: they do not. Nobody else goes by a grant
	// that has some.
	Terms string
	// ExpiresAt is when the grant ends; zero: never.
	ExpiresAt time.Time
}

// GrantSource knows the grants of principals and roles.
type GrantSource interface {
	// Grants returns those of a principal and of its roles. It may lag by a second.
	Grants(ctx context.Context, p *server.Principal) ([]Grant, error)
}

// Access decides about single resources. It is safe for concurrent use.
type Access struct {
	source GrantSource
	now    func() time.Time
}

// NewAccess makes an Access. Without a source there are no grants, and the scopes alone decide.
func NewAccess(source GrantSource, now func() time.Time) *Access {
	return &Access{source: source, now: now}
}

// Allowed tells whether the principal may use the scope on a resource, which is known by any of these names: because it holds the scope, or
// because of a grant without terms to it or to one of its roles. An error means that nobody can tell now.
func (a *Access) Allowed(ctx context.Context, p *server.Principal, scope, kind string, names ...string) (bool, error) {
	if holds(p.Scopes, scope) {
		return true, nil
	}
	found, err := a.granted(ctx, p, func(g Grant) bool { return g.Terms == "" && g.gives(scope, kind, names) })
	return len(found) > 0, err
}

// Terms are those of every grant in force by which the principal may use the scope on a resource, "" for a grant without any; no terms at
// all: nothing was granted. Whoever asks must hold what the principal does to one of them.
func (a *Access) Terms(ctx context.Context, p *server.Principal, scope, kind string, names ...string) ([]string, error) {
	found, err := a.granted(ctx, p, func(g Grant) bool { return g.gives(scope, kind, names) })
	if err != nil || len(found) == 0 {
		return nil, err
	}
	terms := make([]string, len(found))
	for i, g := range found {
		terms[i] = g.Terms
	}
	return terms, nil
}

// Some tells whether the principal has one of these sets of scopes, whole, for every resource or for some of the kind: whether it is worth
// while to ask Allowed.
func (a *Access) Some(ctx context.Context, p *server.Principal, alternatives [][]string, kind string) (bool, error) {
	for _, all := range alternatives {
		if !slices.ContainsFunc(all, func(scope string) bool { return !holds(p.Scopes, scope) }) {
			return true, nil
		}
	}
	found, err := a.granted(ctx, p, func(g Grant) bool {
		return g.Kind == kind && slices.ContainsFunc(alternatives, func(all []string) bool {
			return !slices.ContainsFunc(all, func(scope string) bool { return !slices.Contains(g.Scopes, scope) && !holds(p.Scopes, scope) })
		})
	})
	return len(found) > 0, err
}

// granted are the grants in force that fit.
func (a *Access) granted(ctx context.Context, p *server.Principal, fits func(Grant) bool) (found []Grant, err error) {
	if a.source == nil || p.Narrowed {
		return nil, nil
	}
	grants, err := a.source.Grants(ctx, p)
	if err != nil {
		return nil, err
	}
	now := a.now()
	for _, g := range grants {
		if (g.ExpiresAt.IsZero() || now.Before(g.ExpiresAt)) && fits(g) {
			found = append(found, g)
		}
	}
	return found, nil
}

// gives tells whether the grant is of the scope on the resource.
func (g Grant) gives(scope, kind string, names []string) bool {
	return g.Kind == kind && slices.Contains(g.Scopes, scope) && slices.ContainsFunc(names, g.covers)
}

// covers tells whether the grant is about the resource of that name or id. A prefix is about names alone: ids of one time begin alike.
func (g Grant) covers(name string) bool {
	if g.Prefix {
		return strings.HasPrefix(name, g.Resource) && !isID(name)
	}
	return name == g.Resource
}

// isID tells an id from a name, which never looks like one.
func isID(name string) bool {
	const length = 36
	return len(name) == length && uuid.Validate(name) == nil
}
