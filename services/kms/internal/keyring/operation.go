package keyring

import (
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
)

// Operation is something a caller asks of a key.
type Operation string

// Operations that use a key. A policy can list them.
const (
	OpEncrypt         Operation = "encrypt"
	OpDecrypt         Operation = "decrypt"
	OpReencrypt       Operation = "reencrypt"
	OpSign            Operation = "sign"
	OpVerify          Operation = "verify"
	OpMAC             Operation = "mac"
	OpVerifyMAC       Operation = "verify-mac"
	OpGenerateDataKey Operation = "generate-data-key"
	OpWrap            Operation = "wrap"
	OpUnwrap          Operation = "unwrap"
	OpGenerate        Operation = "generate"
	OpDerive          Operation = "derive"
	OpEncapsulate     Operation = "encapsulate"
	OpDecapsulate     Operation = "decapsulate"
)

// Operations that manage keys.
const (
	OpCreate  Operation = "create"
	OpRead    Operation = "read"
	OpUpdate  Operation = "update"  // of what a key says about itself: description, tags, policy, aliases
	OpRotate  Operation = "rotate"  // adding a version and choosing the primary one
	OpState   Operation = "state"   // enabling, disabling, marking as compromised
	OpDestroy Operation = "destroy" // scheduling and cancelling the end of a key or version, and bringing it about
	OpImport  Operation = "import"
	OpExport  Operation = "export"
	OpBackup  Operation = "backup"
	OpRestore Operation = "restore"
	OpGrant   Operation = "grant" // letting others do something to one key, and taking that back
)

// opReencryptTo is the side of OpReencrypt that makes: what it needs of the key that the message is encrypted to. Policies know the one name.
const opReencryptTo Operation = "reencrypt-to"

// OpGenerateRandom needs no key.
const OpGenerateRandom Operation = "generate-random"

// Scopes that are not those of one operation.
const (
	// ScopeAdmin allows every operation of the KMS.
	ScopeAdmin = "kms:admin"
	// ScopeCompromised lets what a compromised version has made be read. No other scope includes it.
	ScopeCompromised = "kms:use-compromised"
)

// attributes are what the choke point knows of an operation.
type attributes struct {
	scope string
	// uses tells that the operation works with key material on behalf of the caller.
	uses bool
	// makes tells that a use makes something new, for which a version must be at its best; other uses read what was made.
	makes bool
	// bound tells that a use carries a context.
	bound bool
	// private tells that a use needs the private part of a key that has two.
	private bool
	// fits are the uses of a key that the operation works with; none: every one.
	fits []alg.Use
}

// Operations is every operation there is, those that use a key first.
func Operations() []Operation {
	return []Operation{
		OpEncrypt, OpDecrypt, OpReencrypt, OpSign, OpVerify, OpMAC, OpVerifyMAC, OpGenerateDataKey, OpWrap, OpUnwrap, OpGenerate,
		OpDerive, OpEncapsulate, OpDecapsulate,
		OpCreate, OpRead, OpUpdate, OpRotate, OpState, OpDestroy, OpImport, OpExport, OpBackup, OpRestore, OpGrant, OpGenerateRandom,
	}
}

// attributes is the table that decide goes by. An operation that is not in it has no scope and is nobody's.
func (op Operation) attributes() attributes {
	scope := "kms:" + string(op)
	switch op {
	case OpEncrypt, OpGenerateDataKey, OpWrap, OpGenerate:
		return attributes{scope: scope, uses: true, makes: true, bound: true, fits: []alg.Use{alg.UseEncrypt}}
	case OpDecrypt, OpReencrypt, OpUnwrap:
		return attributes{scope: scope, uses: true, private: true, bound: true, fits: []alg.Use{alg.UseEncrypt}}
	case opReencryptTo:
		return attributes{scope: OpReencrypt.Scope(), uses: true, makes: true, bound: true, fits: []alg.Use{alg.UseEncrypt}}
	case OpSign:
		return attributes{scope: scope, uses: true, makes: true, private: true, fits: []alg.Use{alg.UseSign, alg.UseMAC}}
	case OpVerify:
		return attributes{scope: scope, uses: true, fits: []alg.Use{alg.UseSign, alg.UseMAC}}
	case OpMAC:
		return attributes{scope: scope, uses: true, makes: true, fits: []alg.Use{alg.UseMAC}}
	case OpVerifyMAC:
		return attributes{scope: scope, uses: true, fits: []alg.Use{alg.UseMAC}}
	case OpDerive:
		return attributes{scope: scope, uses: true, private: true, fits: []alg.Use{alg.UseDerive}}
	case OpEncapsulate:
		return attributes{scope: scope, uses: true, makes: true, fits: []alg.Use{alg.UseKEM}}
	case OpDecapsulate:
		return attributes{scope: scope, uses: true, private: true, fits: []alg.Use{alg.UseKEM}}
	case OpRead:
		return attributes{scope: scope}
	case OpCreate, OpUpdate, OpRotate, OpState:
		return attributes{scope: "kms:write"}
	case OpDestroy, OpImport, OpExport, OpBackup, OpRestore, OpGrant, OpGenerateRandom:
		return attributes{scope: scope}
	}
	return attributes{}
}

// Scope is the scope that allows op beside ScopeAdmin.
func (op Operation) Scope() string { return op.attributes().scope }

// uses tells whether op works with key material.
func (op Operation) uses() bool { return op.attributes().uses }

// listed is the name under which policies know op.
func (op Operation) listed() Operation {
	if op == opReencryptTo {
		return OpReencrypt
	}
	return op
}

// Scopes is every scope that means something to the KMS, the general ones first.
func Scopes() []string {
	all := []string{ScopeAdmin, OpRead.Scope(), OpUpdate.Scope()}
	for _, op := range Operations() {
		if scope := op.Scope(); !slices.Contains(all, scope) {
			all = append(all, scope)
		}
	}
	return append(all, ScopeCompromised)
}
