// Package access decides who may do what in the certification authority. Its main function is [Decide]; it denies by default.
package access

import (
	"context"
	"fmt"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Operation is something a caller asks for.
type Operation string

// Operations.
const (
	Read    Operation = "read"    // CAs, certificates, profiles, requests
	Manage  Operation = "manage"  // making, changing, succeeding and retiring CAs
	Issue   Operation = "issue"   // certificates, and their renewal
	Revoke  Operation = "revoke"  // certificates
	Approve Operation = "approve" // requests of others
	Enrol   Operation = "enrol"   // accounts of automatic clients and the keys that bind them
)

// ScopeAdmin allows every operation.
const ScopeAdmin = "ca:admin"

// Scope is the scope that allows op beside ScopeAdmin.
func (op Operation) Scope() string {
	if !slices.Contains(Operations(), op) {
		return ""
	}
	return "ca:" + string(op)
}

// Operations is every operation there is.
func Operations() []Operation { return []Operation{Read, Manage, Issue, Revoke, Approve, Enrol} }

// Scopes is every scope that means something to the service, the one that allows everything first.
func Scopes() []string {
	all := []string{ScopeAdmin}
	for _, op := range Operations() {
		all = append(all, op.Scope())
	}
	return all
}

// Caller is who asks: an authenticated principal of one tenant.
type Caller struct {
	Tenant string
	// ID is the principal's, with its kind before it: "client:0190...".
	ID     string
	Scopes []string
	Roles  []string
	// CertificateDER is the certificate that the caller showed in the handshake; nil for none.
	CertificateDER []byte
}

// Has tells whether the caller may do op to everything of the tenant.
func (c Caller) Has(op Operation) bool {
	scope := op.Scope()
	return scope != "" && c.Tenant != "" && (slices.Contains(c.Scopes, scope) || slices.Contains(c.Scopes, ScopeAdmin))
}

// Decide is the part of the decision that needs no object.
func Decide(caller Caller, op Operation) error {
	if caller.Tenant == "" || op.Scope() == "" {
		return problem.New(problem.Forbidden, "the caller belongs to no tenant")
	}
	if !caller.Has(op) {
		return problem.New(problem.InsufficientScope, "this needs the scope %s", op.Scope())
	}
	return nil
}

// Object is what an operation is done to.
type Object struct{ Kind, ID, Name string }

// Grants knows what callers may do to single objects beyond their scopes.
type Grants interface {
	// Allowed tells whether the caller was granted the scope on the object. An error means that nobody can tell now.
	Allowed(ctx context.Context, scope string, on Object) (bool, error)
}

// DecideOn is the decision about an object: by the caller's scopes, or else by a grant on one of the objects.
func DecideOn(ctx context.Context, grants Grants, caller Caller, op Operation, on ...Object) error {
	refusal := Decide(caller, op)
	if refusal == nil || caller.Tenant == "" || grants == nil {
		return refusal
	}
	for _, object := range on {
		allowed, err := grants.Allowed(ctx, op.Scope(), object)
		if err != nil {
			return fmt.Errorf("look up grants: %w", err)
		}
		if allowed {
			return nil
		}
	}
	return refusal
}
