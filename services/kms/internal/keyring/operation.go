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

// row is an operation with what is known of it.
type row struct {
	operation Operation
	attributes
}

// What operations work with.
var (
	encrypting = []alg.Use{alg.UseEncrypt}
	signing    = []alg.Use{alg.UseSign, alg.UseMAC}
	macs       = []alg.Use{alg.UseMAC}
	deriving   = []alg.Use{alg.UseDerive}
	exchanging = []alg.Use{alg.UseKEM}
)

// table is what decide goes by: every operation there is, those that use a key first. An operation that is not in it has no scope and is nobody's.
var table = []row{
	{OpEncrypt, attributes{scope: "kms:encrypt", uses: true, makes: true, bound: true, fits: encrypting}},
	{OpDecrypt, attributes{scope: "kms:decrypt", uses: true, private: true, bound: true, fits: encrypting}},
	{OpReencrypt, attributes{scope: "kms:reencrypt", uses: true, private: true, bound: true, fits: encrypting}},
	{opReencryptTo, attributes{scope: "kms:reencrypt", uses: true, makes: true, bound: true, fits: encrypting}},
	{OpSign, attributes{scope: "kms:sign", uses: true, makes: true, private: true, fits: signing}},
	{OpVerify, attributes{scope: "kms:verify", uses: true, fits: signing}},
	{OpMAC, attributes{scope: "kms:mac", uses: true, makes: true, fits: macs}},
	{OpVerifyMAC, attributes{scope: "kms:verify-mac", uses: true, fits: macs}},
	{OpGenerateDataKey, attributes{scope: "kms:generate-data-key", uses: true, makes: true, bound: true, fits: encrypting}},
	{OpWrap, attributes{scope: "kms:wrap", uses: true, makes: true, bound: true, fits: encrypting}},
	{OpUnwrap, attributes{scope: "kms:unwrap", uses: true, private: true, bound: true, fits: encrypting}},
	{OpGenerate, attributes{scope: "kms:generate", uses: true, makes: true, bound: true, fits: encrypting}},
	{OpDerive, attributes{scope: "kms:derive", uses: true, private: true, fits: deriving}},
	{OpEncapsulate, attributes{scope: "kms:encapsulate", uses: true, makes: true, fits: exchanging}},
	{OpDecapsulate, attributes{scope: "kms:decapsulate", uses: true, private: true, fits: exchanging}},
	{OpCreate, attributes{scope: "kms:write"}},
	{OpRead, attributes{scope: "kms:read"}},
	{OpUpdate, attributes{scope: "kms:write"}},
	{OpRotate, attributes{scope: "kms:write"}},
	{OpState, attributes{scope: "kms:write"}},
	{OpDestroy, attributes{scope: "kms:destroy"}},
	{OpImport, attributes{scope: "kms:import"}},
	{OpExport, attributes{scope: "kms:export"}},
	{OpBackup, attributes{scope: "kms:backup"}},
	{OpRestore, attributes{scope: "kms:restore"}},
	{OpGrant, attributes{scope: "kms:grant"}},
	{OpGenerateRandom, attributes{scope: "kms:generate-random"}},
}

// Operations is every operation there is, those that use a key first.
func Operations() []Operation {
	all := make([]Operation, 0, len(table))
	for _, row := range table {
		if row.operation.listed() == row.operation {
			all = append(all, row.operation)
		}
	}
	return all
}

// attributes are those of the table.
func (op Operation) attributes() attributes {
	for i := range table {
		if table[i].operation == op {
			return table[i].attributes
		}
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
