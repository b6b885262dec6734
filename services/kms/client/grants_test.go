package client_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/apiclient/double"

	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

func TestGrants_AreTheOperationsOfTheContract(t *testing.T) {
	t.Parallel()
	const grant = `{"id":"g1","elastic_key_id":"x","grantee":{"kind":"client","id":"c1"},"operations":["encrypt"],"created_by":{"kind":"user","subject":"u"},"created_at":"a"}`
	one := double.OK(grant)
	script := []http.HandlerFunc{one, one, double.OK(`{"items":[` + grant + `],"next_cursor":"one"}`), double.OK(`{"items":[` + grant + `]}`), noContent}
	s := double.Serve(t, script...)
	kms := dial(t, s, nil)
	ctx := t.Context()
	made, err := kms.CreateGrant(ctx, "k", client.NewKeyGrant{Grantee: client.GrantPrincipal{Kind: "client", ID: "c1"}, Operations: []string{"encrypt"}})
	require.NoError(t, err)
	assert.Equal(t, "g1", made.ID)
	_, err = kms.GetGrant(ctx, "k", "g1")
	require.NoError(t, err)
	count := 0
	for _, err := range kms.ListGrants(ctx, "k") {
		require.NoError(t, err)
		count++
	}
	assert.Equal(t, 2, count)
	require.NoError(t, kms.RevokeGrant(ctx, "k", "g1"))
	require.NoError(t, kms.RetireGrant(ctx, "k", "g1"))
	var got []string
	for _, r := range s.Requests() {
		got = append(got, strings.TrimSpace(r.Method+" "+strings.TrimPrefix(r.Path, "/service/api/v1/")+" "+r.Query+" "+r.Body))
		if r.Method == http.MethodPost {
			assert.NotEmpty(t, r.Header.Get("Idempotency-Key"))
		}
	}
	assert.Equal(t, []string{
		`POST elastic-keys/k/grants  {"grantee":{"id":"c1","kind":"client"},"operations":["encrypt"]}`,
		"GET elastic-keys/k/grants/g1",
		"GET elastic-keys/k/grants limit=1000",
		"GET elastic-keys/k/grants limit=1000&cursor=one",
		"DELETE elastic-keys/k/grants/g1",
		"POST elastic-keys/k/grants/g1/retire",
	}, got)
	for _, name := range []string{"", ".", ".."} {
		require.Error(t, kms.RevokeGrant(ctx, "k", name))
		require.Error(t, kms.RetireGrant(ctx, name, "g1"))
	}
}
