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

// table is what decide goes by. An operation that is not in it has no scope and is nobody's.
//
//nolint:gochecknoglobals // constant
var table = func() map[Operation]attributes {
	own := func(a attributes, operations ...Operation) func(map[Operation]attributes) {
		return func(all map[Operation]attributes) {
			for _, op := range operations {
				one := a
				if one.scope == "" {
					one.scope = "kms:" + string(op)
				}
				all[op] = one
			}
		}
	}
	encrypt, sign := []alg.Use{alg.UseEncrypt}, []alg.Use{alg.UseSign, alg.UseMAC}
	mac, derive, kem := []alg.Use{alg.UseMAC}, []alg.Use{alg.UseDerive}, []alg.Use{alg.UseKEM}
	all := map[Operation]attributes{}
	for _, add := range []func(map[Operation]attributes){
		own(attributes{uses: true, makes: true, bound: true, fits: encrypt}, OpEncrypt, OpGenerateDataKey, OpWrap, OpGenerate),
		own(attributes{uses: true, private: true, bound: true, fits: encrypt}, OpDecrypt, OpReencrypt, OpUnwrap),
		own(attributes{scope: "kms:" + string(OpReencrypt), uses: true, makes: true, bound: true, fits: encrypt}, opReencryptTo),
		own(attributes{uses: true, makes: true, private: true, fits: sign}, OpSign),
		own(attributes{uses: true, fits: sign}, OpVerify),
		own(attributes{uses: true, makes: true, fits: mac}, OpMAC),
		own(attributes{uses: true, fits: mac}, OpVerifyMAC),
		own(attributes{uses: true, private: true, fits: derive}, OpDerive),
		own(attributes{uses: true, makes: true, fits: kem}, OpEncapsulate),
		own(attributes{uses: true, private: true, fits: kem}, OpDecapsulate),
		own(attributes{scope: "kms:write"}, OpCreate, OpUpdate, OpRotate, OpState),
		own(attributes{}, OpRead, OpDestroy, OpImport, OpExport, OpBackup, OpRestore, OpGrant, OpGenerateRandom),
	} {
		add(all)
	}
	return all
}()

// attributes are those of the table.
func (op Operation) attributes() attributes { return table[op] }

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
