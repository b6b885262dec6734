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
	OpSeal    Operation = "seal"    // encrypting a token that is issued
	OpOpen    Operation = "open"    // decrypting a token that is verified
	OpUnwrap  Operation = "unwrap"  // decrypting a key that is imported
	OpWrap    Operation = "wrap"    // encrypting a key that is exported
	OpCertify Operation = "certify" // signing a request for a certificate, and storing what came of it
)

// Operations that manage keys and profiles.
const (
	OpCreate    Operation = "create"
	OpImport    Operation = "import"
	OpExport    Operation = "export"
	OpRead      Operation = "read"
	OpUpdate    Operation = "update"
	OpRotate    Operation = "rotate"
	OpState     Operation = "state"
	OpDestroy   Operation = "destroy"
	OpProfile   Operation = "profile"   // making, changing and deleting profiles
	OpRevoke    Operation = "revoke"    // of tokens
	OpUncertify Operation = "uncertify" // removing a certificate
)

// ScopeAdmin allows every operation.
const ScopeAdmin = "jose:admin"

// scopes are those that allow an operation beside ScopeAdmin.
func (op Operation) scope() string {
	switch op {
	case OpSign, OpVerify, OpEncrypt, OpDecrypt, OpIssue, OpImport, OpExport, OpRead, OpDestroy, OpRevoke, OpCertify:
		return "jose:" + string(op)
	case OpSeal:
		return OpIssue.scope()
	case OpOpen:
		return OpVerify.scope()
	case OpUncertify:
		return OpCertify.scope()
	case OpUnwrap:
		return OpImport.scope()
	case OpWrap:
		return OpExport.scope()
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
		OpSign, OpVerify, OpEncrypt, OpDecrypt, OpIssue, OpSeal, OpOpen, OpUnwrap, OpWrap, OpCertify,
		OpCreate, OpImport, OpExport, OpRead, OpUpdate, OpRotate, OpState, OpDestroy, OpProfile, OpRevoke, OpUncertify,
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
	case OpEncrypt, OpDecrypt, OpSeal, OpOpen, OpUnwrap, OpWrap:
		return []alg.Use{alg.UseEncrypt}
	case OpCertify:
		return []alg.Use{alg.UseSign}
	case OpCreate, OpImport, OpExport, OpRead, OpUpdate, OpRotate, OpState, OpDestroy, OpProfile, OpRevoke, OpUncertify:
	}
	return nil
}

// uses tells whether op works with key material on behalf of the caller.
func (op Operation) uses() bool { return op.fits() != nil }

// private tells whether op, which uses a key, needs its private part.
func (op Operation) private() bool {
	switch op {
	case OpSign, OpDecrypt, OpIssue, OpOpen, OpUnwrap, OpCertify:
		return true
	case OpVerify, OpEncrypt, OpSeal, OpWrap:
	case OpCreate, OpImport, OpExport, OpRead, OpUpdate, OpRotate, OpState, OpDestroy, OpProfile, OpRevoke, OpUncertify:
	}
	return false
}

// takes are the states of a version that op works with.
func (op Operation) takes() []VersionStatus {
	switch op {
	case OpSign, OpEncrypt, OpIssue, OpSeal, OpWrap:
		return []VersionStatus{VersionActive}
	case OpVerify, OpDecrypt, OpOpen, OpUnwrap:
		return []VersionStatus{VersionActive, VersionRetired}
	case OpCertify: // before it is used, and for what it has signed
	case OpCreate, OpImport, OpExport, OpRead, OpUpdate, OpRotate, OpState, OpDestroy, OpProfile, OpRevoke, OpUncertify:
	}
	return []VersionStatus{VersionPending, VersionActive, VersionRetired}
}
