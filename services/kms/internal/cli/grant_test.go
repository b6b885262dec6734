package cli_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// grantRoutes are those of grants on one key.
func (f *fakeKMS) grantRoutes() map[string]func(*http.Request) (any, *client.Problem) {
	grant := func() client.KeyGrant {
		g := f.vault.grant
		made := client.KeyGrant{
			ID: "g1", ElasticKeyID: "k1", Grantee: g.Grantee, Operations: g.Operations, Constraints: g.Constraints, RetiringPrincipal: g.RetiringPrincipal,
			CreatedBy: client.GrantMaker{Kind: "user", Subject: "ada"}, CreatedAt: "2026-11-02T09:30:00.000000Z",
		}
		if g.ExpiresAt != nil {
			made.ExpiresAt = new(g.ExpiresAt.Format(time.RFC3339))
		}
		return made
	}
	one := func(*http.Request) (any, *client.Problem) { return grant(), nil }
	return map[string]func(*http.Request) (any, *client.Problem){
		"POST /elastic-keys/{id}/grants": func(r *http.Request) (any, *client.Problem) {
			if r.Header.Get("Authorization") != "Bearer "+freshToken {
				return nil, refusal(http.StatusUnauthorized, "step_up_required", "use a fresh credential")
			}
			if problem := decode(r, &f.vault.grant); problem != nil {
				return nil, problem
			}
			return grant(), nil
		},
		"GET /elastic-keys/{id}/grants": func(r *http.Request) (any, *client.Problem) {
			items, next := page(r, []client.KeyGrant{grant(), grant(), grant()})
			return client.KeyGrantPage{Items: items, NextCursor: next}, nil
		},
		"GET /elastic-keys/{id}/grants/{grant}":         one,
		"DELETE /elastic-keys/{id}/grants/{grant}":      one,
		"POST /elastic-keys/{id}/grants/{grant}/retire": one,
	}
}

func TestKeyGrant_IsMadeShownAndEnded(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	assert.Equal(t, "g1\n", s.must(t, "", "key", "grant", "create", "payroll", "--to", "client:billing", "--operations", "encrypt,decrypt",
		"--context-includes", "year=2026", "--retired-by", "role:auditors", "--expires-in", "90d"))
	asked := f.vault.grant
	assert.Equal(t, client.GrantPrincipal{Kind: "client", ID: "billing"}, asked.Grantee)
	assert.Equal(t, []string{"encrypt", "decrypt"}, asked.Operations)
	assert.Equal(t, client.Context{"year": "2026"}, *asked.Constraints.ContextIncludes)
	assert.Nil(t, asked.Constraints.ContextEquals)
	assert.WithinDuration(t, time.Now().Add(90*24*time.Hour), *asked.ExpiresAt, time.Minute)
	out := s.must(t, "", "key", "grant", "get", "payroll", "g1")
	assert.Contains(t, out, "To          client:billing\n")
	assert.Contains(t, out, "Context     year=2026\n")
	assert.Contains(t, out, "Retired by  role:auditors\n")
	assert.Len(t, strings.Split(strings.TrimSpace(s.must(t, "", "key", "grant", "list", "payroll")), "\n"), 4)

	s.must(t, "", "key", "grant", "create", "payroll", "--to", "user:ada", "--operations", "decrypt", "--context-equals", "a=b", "--output", "json")
	assert.Equal(t, client.Context{"a": "b"}, *f.vault.grant.Constraints.ContextEquals)
	assert.Contains(t, s.must(t, "", "key", "grant", "list", "payroll", "--limit", "1"), "exactly a=b")
	f.asked()
	assert.Equal(t, "grant g1 is gone\n", s.must(t, "", "key", "grant", "revoke", "payroll", "g1"))
	assert.Equal(t, "grant g1 is gone\n", s.must(t, "", "key", "grant", "retire", "payroll", "g1"))
	assert.Equal(t, []string{"DELETE /elastic-keys/payroll/grants/g1", "POST /elastic-keys/payroll/grants/g1/retire"}, f.asked())

	for line, want := range map[string]string{
		"create a --to billing --operations encrypt":                     "is not KIND:ID",
		"create a --to group:x --operations encrypt":                     "a kind is client",
		"create a --to client:x --operations encrypt --retired-by x":     "--retired-by",
		"create a --to client:x --operations encrypt --expires-in x":     "is no duration",
		"create a --to client:x --operations encrypt --context-equals x": "is not NAME=VALUE",
		"get a":    "name the key and the grant",
		"revoke a": "name the key and the grant",
	} {
		err := s.run(t, "", append([]string{"key", "grant"}, strings.Fields(line)...)...).err
		require.ErrorContains(t, err, want, line)
		assert.True(t, isUsageError(err), line)
	}
	assert.Empty(t, f.asked())
}
