package authority

import (
	"context"
	"slices"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Caller is who asks: an authenticated principal of one tenant.
type Caller struct {
	Tenant string
	Scopes []string

	// granted is what a grant lets the caller do to the key at hand.
	granted Operation
}

// Grants knows what callers may do to single keys beyond their scopes.
type Grants interface {
	// Allowed tells whether the caller was granted the scope on the key. An error means that nobody can tell now.
	Allowed(ctx context.Context, scope string, key Key) (bool, error)
}

// decideScope is the part of the decision that needs no key. It denies by default: an operation without a scope is nobody's.
func decideScope(caller Caller, op Operation) error {
	scope := op.Scope()
	if caller.Tenant == "" || scope == "" {
		return problem.New(problem.Forbidden, "the caller belongs to no tenant")
	}
	if caller.granted != op && !slices.Contains(caller.Scopes, scope) && !slices.Contains(caller.Scopes, ScopeAdmin) {
		return problem.New(problem.InsufficientScope, "this needs the scope %s", scope)
	}
	return nil
}

// decide is the choke point's rule: may caller do op to this key and version? version is nil where op concerns the whole key. It is a pure
// function of facts read for this request. What an operation that manages needs of a state is said by the table of transitions, which the
// change itself holds to.
func decide(caller Caller, op Operation, key Key, version *Version, now time.Time) error {
	if err := decideScope(caller, op); err != nil {
		return err
	}
	if key.Tenant != caller.Tenant || key.Status == KeyDestroyed {
		return errNotFound()
	}
	if !op.uses() {
		return nil
	}
	if !slices.Contains(op.fits(), key.Use) {
		return problem.New("wrong_key_use", "the key is for %s; it cannot %s", useNoun(key.Use), op)
	}
	if key.Status != KeyActive {
		return errState("the key", string(key.Status), string(op), string(KeyActive))
	}
	if version == nil {
		return nil
	}
	takes := op.takes()
	if status := version.At(now); !slices.Contains(takes, status) {
		return errState(version.title(), string(status), string(op), string(takes[0]))
	}
	if version.Origin == OriginPublic && op.private() {
		return problem.New("no_private_key", "only the public part of the key is here; it cannot %s", op)
	}
	return nil
}

func useNoun(use alg.Use) string {
	if use == alg.UseEncrypt {
		return "encryption"
	}
	return "signatures"
}

func errNotFound() error { return problem.New(problem.NotFound, "no such key") }

func errConflict() error {
	return problem.New(problem.Conflict, "the key changed meanwhile; try again")
}

func errNameTaken() error { return problem.New(problem.Conflict, "the name is taken") }

// invalid is the refusal of one member of a request.
func invalid(pointer, format string, args ...any) error {
	return apivalue.Invalid(pointer, format, args...)
}
