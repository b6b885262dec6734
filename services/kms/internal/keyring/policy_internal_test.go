package keyring

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
)

// allOperations, allElastic and allVersions are every value there is, so that the tests below cover every combination.
func allOperations() []Operation {
	return []Operation{OpCreate, OpRead, OpRotate, OpEncrypt, OpDecrypt, OpSign, OpVerify}
}

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

func TestDecide_OnlyActiveKeysAndEnabledVersionsWork(t *testing.T) {
	t.Parallel()
	caller := Caller{Tenant: "a", Scopes: []string{ScopeAdmin}}
	for _, op := range allOperations() {
		for _, elastic := range allElastic() {
			for _, version := range allVersions() {
				use := alg.UseEncrypt
				if op == OpSign || op == OpVerify {
					use = alg.UseSign
				}
				key := ElasticKey{Tenant: "a", Name: "k", Use: use, Status: elastic}
				got := code(t, decide(caller, op, key, &MaterialKey{Version: 1, Status: version}))
				want := "invalid_state"
				switch {
				case elastic == ElasticDeleted:
					want = "not_found"
				case op == OpRead, elastic == ElasticActive && version == VersionEnabled:
					want = ""
				}
				assert.Equal(t, want, got, "%s of a %s version of a %s key", op, version, elastic)
			}
		}
	}
}

func TestDecide_AScopeAllowsItsOperationsOnly(t *testing.T) {
	t.Parallel()
	for _, op := range allOperations() {
		use := alg.UseEncrypt
		if op == OpSign || op == OpVerify {
			use = alg.UseSign
		}
		key := ElasticKey{Tenant: "a", Use: use, Status: ElasticActive}
		for _, other := range allOperations() {
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
	for _, op := range allOperations() {
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
	for use, allowed := range map[alg.Use][]Operation{
		alg.UseEncrypt: {OpEncrypt, OpDecrypt},
		alg.UseSign:    {OpSign, OpVerify},
		alg.UseMAC:     {OpSign, OpVerify},
	} {
		for _, op := range []Operation{OpEncrypt, OpDecrypt, OpSign, OpVerify} {
			want := "wrong_key_use"
			for _, ok := range allowed {
				if op == ok {
					want = ""
				}
			}
			key := ElasticKey{Tenant: "a", Use: use, Status: ElasticActive}
			assert.Equal(t, want, code(t, decide(caller, op, key, nil)), "%s with a key for %s", op, use)
		}
	}
}
