package admin_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server"
)

// A session asks on every request whether the secret that it was exchanged for is the client's.
func TestClients_WhatASecretWasExchangedForGoesOnWhileTheSecretDoes(t *testing.T) {
	t.Parallel()
	eachEngine(t, 2, func(t *testing.T, c *cluster) {
		t.Helper()
		a, b := c.replicas[0], c.replicas[1]
		made := a.call(root("acme"), http.MethodPost, "/clients", `{"name":"billing","scopes":["t:read"]}`).ok(http.StatusCreated)
		id := made.member("id")
		exchanged := func(secret string) *server.Principal {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			r.SetBasicAuth(id, secret)
			who, err := a.gate.Authenticate(t.Context(), r)
			require.NoError(t, err)
			return who
		}
		goesOn := func(r *replica, was *server.Principal) bool {
			_, err := r.gate.Continue(t.Context(), nil, was)
			return err == nil
		}
		rotate := func(body string) string {
			return a.call(root("acme"), http.MethodPost, "/clients/billing/rotate-secret", body).ok(http.StatusCreated).member("secret")
		}
		first := exchanged(made.member("secret"))
		second := exchanged(rotate(`{"overlap_seconds":3600}`))
		assert.True(t, goesOn(a, first), "for the overlap")
		assert.True(t, goesOn(a, second))
		third := exchanged(rotate(`{"overlap_seconds":1}`))
		assert.False(t, goesOn(a, first), "there are never more than two")
		assert.True(t, goesOn(a, third))
		within(t, "the other replica knows that", func() bool { return !goesOn(b, first) && goesOn(b, third) })
		within(t, "the overlap is over", func() bool { return !goesOn(a, second) && !goesOn(b, second) })
		assert.True(t, goesOn(a, third))
		assert.Empty(t, c.ended, "nobody had to end them")
	})
}
