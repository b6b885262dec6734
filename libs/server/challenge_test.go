package server_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server"
)

// nonceError is an error that says by itself how to authenticate.
type nonceError struct{}

func (nonceError) Error() string     { return "no nonce" }
func (nonceError) ErrorCode() string { return "unauthenticated" }

func (nonceError) Challenge(h http.Header) {
	h["Www-Authenticate"] = []string{`DPoP error="use_dpop_nonce"`}
	h.Set("DPoP-Nonce", "n-1")
}

type demanding struct{}

func (demanding) Authenticate(context.Context, *http.Request) (*server.Principal, error) {
	return nil, fmt.Errorf("authenticate: %w", nonceError{})
}

func TestChallenge_OfAnErrorThatKnowsMoreThanItsCode(t *testing.T) {
	t.Parallel()
	f := start(t, func(_ *server.Config, d *server.Deps) { d.Auth = demanding{} })
	a := f.service("any", http.MethodGet, "/things")
	require.Equal(t, "unauthenticated", a.problem(t).Code)
	assert.Equal(t, []string{`DPoP error="use_dpop_nonce"`}, a.Header.Values("WWW-Authenticate"))
	assert.Equal(t, "n-1", a.Header.Get("DPoP-Nonce"))
}
