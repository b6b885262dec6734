package keyring

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
)

// allElastic and allVersions are every value there is, so that the tests below cover every combination, of Operations too.
func allElastic() []ElasticStatus {
	return []ElasticStatus{
		ElasticCreating, ElasticPendingGenerate, ElasticPendingImport, ElasticGenerateFailed, ElasticImportFailed,
		ElasticActive, ElasticDisabled, ElasticPendingDelete, ElasticDeleted,
	}
}

func allVersions() []VersionStatus {
	return []VersionStatus{
		VersionPendingImport, VersionEnabled, VersionDisabled, VersionCompromised, VersionDestroyScheduled, VersionDestroyed,
	}
}

func code(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var coded interface{ ErrorCode() string }
	require.ErrorAs(t, err, &coded)
	return coded.ErrorCode()
}

// aUse is a use of keys that the operation works with.
func aUse(op Operation) alg.Use {
	if fits := op.attributes().fits; len(fits) > 0 {
		return fits[0]
	}
	return alg.UseEncrypt
}

func TestDecide_OnlyActiveKeysAndEnabledVersionsWork(t *testing.T) {
	t.Parallel()
	caller := Caller{Tenant: "a", Scopes: []string{ScopeAdmin}}
	for _, op := range Operations() {
		for _, elastic := range allElastic() {
			for _, version := range allVersions() {
				key := ElasticKey{Tenant: "a", Name: "k", Use: aUse(op), Status: elastic}
				got := code(t, decide(caller, op, key, &MaterialKey{Version: 1, Status: version}))
				want := "invalid_state"
				switch {
				case elastic == ElasticDeleted:
					want = "not_found"
				case !op.uses(), elastic == ElasticActive && version == VersionEnabled:
					want = ""
				case elastic == ElasticActive && version == VersionCompromised && !op.attributes().makes:
					want = "version_compromised"
				}
				assert.Equal(t, want, got, "%s of a %s version of a %s key", op, version, elastic)
			}
		}
	}
}

func TestDecide_ACompromisedVersionReadsUnderItsOwnScopeAndMakesNothing(t *testing.T) {
	t.Parallel()
	for _, op := range Operations() {
		if !op.uses() {
			continue
		}
		key := ElasticKey{Tenant: "a", Use: aUse(op), Status: ElasticActive}
		caller := Caller{Tenant: "a", Scopes: []string{op.Scope(), ScopeCompromised}}
		want := ""
		if op.attributes().makes {
			want = "invalid_state"
		}
		assert.Equal(t, want, code(t, decide(caller, op, key, &MaterialKey{Version: 1, Status: VersionCompromised})), "%s", op)
		// The scope is no way around the one for the operation.
		caller.Scopes = []string{ScopeCompromised}
		assert.Equal(t, "insufficient_scope", code(t, decide(caller, op, key, &MaterialKey{Version: 1, Status: VersionEnabled})), "%s", op)
	}
}

func TestDecide_VersionsBelowTheMinimaDoNothing(t *testing.T) {
	t.Parallel()
	caller := Caller{Tenant: "a", Scopes: []string{ScopeAdmin}}
	for _, op := range Operations() {
		key := ElasticKey{Tenant: "a", Use: aUse(op), Status: ElasticActive, MinDecryptVersion: 3, MinEncryptVersion: 5}
		for version := range int64(7) {
			want := ""
			if op.uses() && (version < 3 || version < 5 && op.attributes().makes) {
				want = "version_below_minimum"
			}
			assert.Equal(t, want, code(t, decide(caller, op, key, &MaterialKey{Version: version, Status: VersionEnabled})), "%s with version %d", op, version)
		}
	}
}

func TestDecide_APolicyNarrowsWhatScopesAllow(t *testing.T) {
	t.Parallel()
	enabled := &MaterialKey{Version: 1, Status: VersionEnabled}
	for _, op := range Operations() {
		caller := Caller{Tenant: "a", ID: "ann", Roles: []string{"auditors"}, Scopes: []string{ScopeAdmin}}
		for _, c := range []struct {
			policy  Policy
			refused bool
		}{
			{policy: Policy{}},
			{policy: Policy{Operations: []Operation{op}}},
			{policy: Policy{Operations: []Operation{"other"}}, refused: true},
			{policy: Policy{Clients: []string{"ann"}}},
			{policy: Policy{Clients: []string{"bob"}}, refused: true},
			{policy: Policy{Roles: []string{"auditors"}}},
			{policy: Policy{Roles: []string{"ann"}, Clients: []string{"auditors"}}, refused: true},
			{policy: Policy{Clients: []string{"bob"}, Roles: []string{"auditors"}}},
			{policy: Policy{Operations: []Operation{"other"}, Clients: []string{"ann"}}, refused: true},
		} {
			key := ElasticKey{Tenant: "a", Use: aUse(op), Status: ElasticActive, Policy: c.policy}
			want := ""
			if c.refused && op.uses() {
				want = "policy_refused"
			}
			assert.Equal(t, want, code(t, decide(caller, op, key, enabled)), "%s under %+v", op, c.policy)
		}
	}
}

func TestDecide_AScopeAllowsItsOperationsOnly(t *testing.T) {
	t.Parallel()
	for _, op := range Operations() {
		use := aUse(op)
		key := ElasticKey{Tenant: "a", Use: use, Status: ElasticActive}
		for _, other := range Operations() {
			caller := Caller{Tenant: "a", Scopes: []string{other.Scope()}}
			want := "insufficient_scope"
			if op.Scope() == other.Scope() {
				want = ""
			}
			assert.Equal(t, want, code(t, decide(caller, op, key, nil)), "%s with %s", op, other.Scope())
		}
		assert.Empty(t, code(t, decide(Caller{Tenant: "a", Scopes: []string{ScopeAdmin}}, op, key, nil)))
		assert.Equal(t, "insufficient_scope", code(t, decide(Caller{Tenant: "a"}, op, key, nil)))
		assert.Equal(t, "forbidden", code(t, decide(Caller{Scopes: []string{ScopeAdmin}}, op, ElasticKey{Status: ElasticActive, Use: use}, nil)))
	}
	assert.Equal(t, "forbidden", code(t, decide(Caller{Tenant: "a", Scopes: []string{ScopeAdmin, ""}}, Operation("unknown"), ElasticKey{Tenant: "a"}, nil)))
}

func TestDecide_AnotherTenantsKeyDoesNotExist(t *testing.T) {
	t.Parallel()
	for _, op := range Operations() {
		for _, use := range []alg.Use{alg.UseEncrypt, alg.UseSign, alg.UseMAC} {
			key := ElasticKey{Tenant: "b", Name: "secret-name", Use: use, Status: ElasticDisabled}
			err := decide(Caller{Tenant: "a", Scopes: []string{ScopeAdmin}}, op, key, nil)
			assert.Equal(t, "not_found", code(t, err))
			assert.NotContains(t, err.Error(), "secret-name")
		}
	}
}

func TestDecide_AKeyDoesOneThingOnly(t *testing.T) {
	t.Parallel()
	caller := Caller{Tenant: "a", Scopes: []string{ScopeAdmin}}
	encryption := []Operation{OpEncrypt, OpDecrypt, OpReencrypt, OpGenerateDataKey, OpWrap, OpUnwrap, OpGenerate}
	for use, allowed := range map[alg.Use][]Operation{
		alg.UseEncrypt: encryption,
		alg.UseSign:    {OpSign, OpVerify},
		alg.UseMAC:     {OpSign, OpVerify, OpMAC, OpVerifyMAC},
		alg.UseKEM:     {OpEncapsulate, OpDecapsulate},
		alg.UseDerive:  {OpDerive},
	} {
		for _, op := range Operations() {
			want := "wrong_key_use"
			if !op.uses() || slices.Contains(allowed, op) {
				want = ""
			}
			key := ElasticKey{Tenant: "a", Use: use, Status: ElasticActive}
			assert.Equal(t, want, code(t, decide(caller, op, key, nil)), "%s with a key for %s", op, use)
		}
	}
}
