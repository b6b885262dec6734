package keyring

import (
	"context"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Operation is something a caller asks of a key.
type Operation string

// Operations.
const (
	OpCreate  Operation = "create"
	OpRead    Operation = "read"
	OpRotate  Operation = "rotate"
	OpEncrypt Operation = "encrypt"
	OpDecrypt Operation = "decrypt"
	OpSign    Operation = "sign"
	OpVerify  Operation = "verify"
)

// ScopeAdmin allows every operation of the KMS.
const ScopeAdmin = "kms:admin"

// Caller is who asks: an authenticated principal of one tenant.
type Caller struct {
	Tenant string
	Kind   string
	ID     string
	Scopes []string

	// granted is what a grant lets the caller do to the key at hand.
	granted Operation
}

// Grants knows what callers may do to single keys beyond their scopes.
type Grants interface {
	// Allowed tells whether the caller was granted the scope on the key. An error means that nobody can tell now.
	Allowed(ctx context.Context, caller Caller, scope string, key ElasticKey) (bool, error)
}

// Scope is the scope that allows op beside ScopeAdmin.
func (op Operation) Scope() string {
	switch op {
	case OpCreate, OpRotate:
		return "kms:write"
	case OpRead:
		return "kms:read"
	case OpEncrypt, OpDecrypt, OpSign, OpVerify:
		return "kms:" + string(op)
	}
	return ""
}

// fits tells whether op may be done with a key of this use. A JWS under HS256 is made and checked by sign and verify like any other.
func (op Operation) fits(use alg.Use) bool {
	switch op {
	case OpEncrypt, OpDecrypt:
		return use == alg.UseEncrypt
	case OpSign, OpVerify:
		return use == alg.UseSign || use == alg.UseMAC
	case OpCreate, OpRead, OpRotate:
		return true
	}
	return false
}

// decideScope is the part of the decision that needs no key. It denies by default: an operation without a scope is nobody's.
func decideScope(caller Caller, op Operation) error {
	scope := op.Scope()
	if caller.Tenant == "" || scope == "" {
		return problem.New("forbidden", "the caller belongs to no tenant")
	}
	if caller.granted != op && !slices.Contains(caller.Scopes, scope) && !slices.Contains(caller.Scopes, ScopeAdmin) {
		return problem.New("insufficient_scope", "this needs the scope %s", scope)
	}
	return nil
}

// decide is the choke point's rule: may caller do op to this key and version? version is nil where op concerns the whole key.
// It is a pure function of facts read for this request.
func decide(caller Caller, op Operation, key ElasticKey, version *MaterialKey) error {
	if err := decideScope(caller, op); err != nil {
		return err
	}
	if key.Tenant != caller.Tenant || key.Status == ElasticDeleted {
		return errNotFound()
	}
	if op == OpRead {
		return nil
	}
	if !op.fits(key.Use) {
		return problem.New("wrong_key_use", "the key is for %s; it cannot %s", useNoun(key.Use), op)
	}
	if key.Status != ElasticActive {
		return problem.New("invalid_state", "the key is %s; to %s it must be %s", key.Status, op, ElasticActive)
	}
	if version != nil && version.Status != VersionEnabled {
		return problem.New("invalid_state", "version %d is %s; to %s it must be %s", version.Version, version.Status, op, VersionEnabled)
	}
	return nil
}

func useNoun(use alg.Use) string {
	if use == alg.UseEncrypt {
		return "encryption"
	}
	return "signatures"
}

func errNotFound() error {
	return problem.New("not_found", "no such key")
}
