package authority

import (
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
)

// Operation is something a caller asks for.
type Operation string

// Operations that use a key.
const (
	OpSign    Operation = "sign"
	OpVerify  Operation = "verify"
	OpEncrypt Operation = "encrypt"
	OpDecrypt Operation = "decrypt"
	OpIssue   Operation = "issue"
)

// Operations that manage keys and profiles.
const (
	OpCreate  Operation = "create"
	OpImport  Operation = "import"
	OpRead    Operation = "read"
	OpUpdate  Operation = "update"
	OpRotate  Operation = "rotate"
	OpState   Operation = "state"
	OpDestroy Operation = "destroy"
	OpProfile Operation = "profile" // making, changing and deleting profiles
	OpRevoke  Operation = "revoke"  // of tokens
)

// ScopeAdmin allows every operation.
const ScopeAdmin = "jose:admin"

// scopes are those that allow an operation beside ScopeAdmin.
func (op Operation) scope() string {
	switch op {
	case OpSign, OpVerify, OpEncrypt, OpDecrypt, OpIssue, OpImport, OpRead, OpDestroy, OpRevoke:
		return "jose:" + string(op)
	case OpCreate, OpUpdate, OpRotate, OpState, OpProfile:
		return "jose:write"
	}
	return ""
}

// Scope is the scope that allows op beside ScopeAdmin; empty for an operation that is nobody's.
func (op Operation) Scope() string { return op.scope() }

// Operations is every operation there is.
func Operations() []Operation {
	return []Operation{
		OpSign, OpVerify, OpEncrypt, OpDecrypt, OpIssue,
		OpCreate, OpImport, OpRead, OpUpdate, OpRotate, OpState, OpDestroy, OpProfile, OpRevoke,
	}
}

// Scopes is every scope that means something to the service.
func Scopes() []string {
	all := []string{ScopeAdmin}
	for _, op := range Operations() {
		if !slices.Contains(all, op.Scope()) {
			all = append(all, op.Scope())
		}
	}
	return all
}

// fits are the uses of a key that the operation works with; none: every one.
func (op Operation) fits() []alg.Use {
	switch op {
	case OpSign, OpVerify, OpIssue:
		return []alg.Use{alg.UseSign, alg.UseMAC}
	case OpEncrypt, OpDecrypt:
		return []alg.Use{alg.UseEncrypt}
	case OpCreate, OpImport, OpRead, OpUpdate, OpRotate, OpState, OpDestroy, OpProfile, OpRevoke:
	}
	return nil
}

// uses tells whether op works with key material on behalf of the caller.
func (op Operation) uses() bool { return op.fits() != nil }

// takes are the states of a version that op works with.
func (op Operation) takes() []VersionStatus {
	switch op {
	case OpSign, OpEncrypt, OpIssue:
		return []VersionStatus{VersionActive}
	case OpVerify, OpDecrypt:
		return []VersionStatus{VersionActive, VersionRetired}
	case OpCreate, OpImport, OpRead, OpUpdate, OpRotate, OpState, OpDestroy, OpProfile, OpRevoke:
	}
	return []VersionStatus{VersionPending, VersionActive, VersionRetired}
}
