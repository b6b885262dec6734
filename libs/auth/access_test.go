package auth_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// granted are grants that everybody has.
type granted []auth.Grant

func (g granted) Grants(context.Context, *server.Principal) ([]auth.Grant, error) { return g, nil }

// A prefix is one of names: all ids that were made in the same weeks begin with the same digits.
func TestAccess_APrefixIsNoPrefixOfIDs(t *testing.T) {
	t.Parallel()
	const id = "019ac3f0-8f6e-7c3a-9b1d-2f4a5b6c7d8e"
	p := &server.Principal{Tenant: "acme", Kind: server.KindUser, ID: "ada"}
	for _, prefix := range []string{"0", "01", "019", "019ac3f0", id} {
		access := auth.NewAccess(granted{{Kind: "thing", Resource: prefix, Prefix: true, Scopes: []string{"t:read"}}}, time.Now)
		may, err := access.Allowed(t.Context(), p, "t:read", "thing", id, "payroll")
		require.NoError(t, err)
		assert.False(t, may, prefix)
		may, err = access.Allowed(t.Context(), p, "t:read", "thing", id, prefix+"-of-them")
		require.NoError(t, err)
		assert.True(t, may, prefix)
	}
	exact := auth.NewAccess(granted{{Kind: "thing", Resource: id, Scopes: []string{"t:read"}}}, time.Now)
	may, err := exact.Allowed(t.Context(), p, "t:read", "thing", id, "payroll")
	require.NoError(t, err)
	assert.True(t, may, "by its id")
}

// Whoever asks for fewer rights than he has gets no more through grants.
func TestAccess_ANarrowedPrincipalHasNoGrants(t *testing.T) {
	t.Parallel()
	access := auth.NewAccess(granted{{Kind: "thing", Resource: "payroll", Scopes: []string{"t:read", "t:write"}}}, time.Now)
	p := &server.Principal{Tenant: "acme", Kind: server.KindClient, ID: "tool", Scopes: []string{"t:read"}}
	for _, narrowed := range []bool{false, true} {
		p.Narrowed = narrowed
		may, err := access.Allowed(t.Context(), p, "t:write", "thing", "payroll")
		require.NoError(t, err)
		assert.Equal(t, !narrowed, may)
		may, err = access.Some(t.Context(), p, [][]string{{"t:write"}}, "thing")
		require.NoError(t, err)
		assert.Equal(t, !narrowed, may)
		may, err = access.Allowed(t.Context(), p, "t:read", "thing", "anything")
		require.NoError(t, err)
		assert.True(t, may, "what it asked for")
	}
}

// Terms are for whoever decides about the resource; to everybody else a grant that has some gives nothing.
func TestAccess_TermsAreNotOverlooked(t *testing.T) {
	t.Parallel()
	p := &server.Principal{Tenant: "acme", Kind: server.KindClient, ID: "tool"}
	access := auth.NewAccess(granted{
		{Kind: "thing", Resource: "payroll", Scopes: []string{"t:read"}, Terms: `{"a":1}`},
		{Kind: "thing", Resource: "payroll", Scopes: []string{"t:read"}, Terms: `{"over":1}`, ExpiresAt: time.Now()},
		{Kind: "other", Resource: "payroll", Scopes: []string{"t:read"}, Terms: `{"other":1}`},
		{Kind: "thing", Resource: "ledger", Scopes: []string{"t:read"}},
	}, time.Now)
	for name, want := range map[string][]string{"payroll": {`{"a":1}`}, "ledger": {""}, "nothing": nil} {
		terms, err := access.Terms(t.Context(), p, "t:read", "thing", name)
		require.NoError(t, err)
		assert.Equal(t, want, terms, name)
		may, err := access.Allowed(t.Context(), p, "t:read", "thing", name)
		require.NoError(t, err)
		assert.Equal(t, name == "ledger", may, name)
	}
	may, err := access.Some(t.Context(), p, [][]string{{"t:read"}}, "thing")
	require.NoError(t, err)
	assert.True(t, may, "it is worth while to ask")
	p.Narrowed = true
	terms, err := access.Terms(t.Context(), p, "t:read", "thing", "payroll")
	require.NoError(t, err)
	assert.Empty(t, terms)
}
