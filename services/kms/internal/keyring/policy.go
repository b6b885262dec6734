package keyring

import (
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Caller is who asks: an authenticated principal of one tenant.
type Caller struct {
	Tenant string
	Kind   string
	ID     string
	Scopes []string
	Roles  []string
	// Approval is the request for approval that the caller names, if any.
	Approval string

	// granted is what grants let the caller do to the key at hand, and terms what they narrow it by: one of these must allow it.
	granted Operation
	terms   []Terms
	// asked is what of the question grants can be narrowed by.
	asked asked
	// decided are the decisions of a batch; nil outside of one.
	decided *decisions
}

// fits tells whether op may be done with a key of this use. A JWS under HS256 is made and checked by sign and verify like any other.
func (op Operation) fits(use alg.Use) bool {
	fits := op.attributes().fits
	return len(fits) == 0 || slices.Contains(fits, use)
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
// It is a pure function of facts read for this request. What an operation that manages needs of a state is said by the table of
// transitions, which the change itself holds to.
func decide(caller Caller, op Operation, key ElasticKey, version *MaterialKey) error {
	if err := decideScope(caller, op); err != nil {
		return err
	}
	if key.Tenant != caller.Tenant || key.Status == ElasticDeleted {
		return errNotFound()
	}
	if caller.granted == op && !caller.asked.items && !slices.ContainsFunc(caller.terms, func(t Terms) bool { return t.allow(caller.asked.bound) }) {
		return errTermsRefuse()
	}
	if !op.uses() {
		return nil
	}
	if !op.fits(key.Use) {
		return problem.New("wrong_key_use", "the key is for %s; it cannot %s", useNoun(key.Use), op)
	}
	if err := key.Policy.admits(caller, op); err != nil {
		return err
	}
	if key.Status != ElasticActive {
		return errState("the key", string(key.Status), string(op), string(ElasticActive))
	}
	if version == nil {
		return nil
	}
	return decideVersion(caller, op, key, *version)
}

// decideVersion is the part of the decision that concerns one version.
func decideVersion(caller Caller, op Operation, key ElasticKey, version MaterialKey) error {
	makes := op.attributes().makes
	switch {
	case version.Origin == OriginPublic && op.attributes().private:
		return errNoPrivateKey(version)
	case version.Status == VersionEnabled:
	case version.Status == VersionCompromised && !makes && slices.Contains(caller.Scopes, ScopeCompromised):
	case version.Status == VersionCompromised && !makes:
		return problem.New("version_compromised", "version %d is compromised; to %s what it has made takes the scope %s", version.Version, op, ScopeCompromised)
	default:
		return errState(version.title(), string(version.Status), string(op), string(VersionEnabled))
	}
	floor := key.MinDecryptVersion
	if makes {
		floor = key.MinEncryptVersion
	}
	if version.Version < floor {
		return problem.New("version_below_minimum", "version %d is below the key's minimum of %d; it cannot %s any more", version.Version, floor, op)
	}
	return nil
}

func useNoun(use alg.Use) string {
	switch use {
	case alg.UseEncrypt:
		return "encryption"
	case alg.UseKEM:
		return "key encapsulation"
	case alg.UseDerive:
		return "key derivation"
	case alg.UseSign, alg.UseMAC:
		return "signatures"
	}
	return string(use)
}

func errNoPrivateKey(version MaterialKey) error {
	return problem.New("no_private_key", "%s is a public key alone; its private part is elsewhere", version.title())
}

func errNotFound() error {
	return problem.New("not_found", "no such key")
}
