package kmstest

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// Pair is an administrator on one replica and the other replica.
type Pair struct {
	Root, Other *Service
	Key, Acme   string // an elastic key, and a token of tenant acme
	Serial      *atomic.Int32
}

// Made is the answer to the request for something new.
func (p Pair) Made(t *testing.T, path string, body any) Answer {
	t.Helper()
	return p.Root.Ask(t, http.MethodPost, path, body).Done(t, http.StatusCreated)
}

// Token is a new API token with its text.
func (p Pair) Token(t *testing.T, scopes ...string) (id, text string) {
	t.Helper()
	got := p.Made(t, "api-tokens", map[string]any{"name": "t", "scopes": append([]string{}, scopes...)})
	return got.Member(t, "id"), got.Member(t, "token")
}

// EachAdministered runs test on every engine with two replicas, as the administrator sees them, who has a certificate.
func EachAdministered(t *testing.T, test func(t *testing.T, s, other *Service)) {
	t.Helper()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg, files := Prepare(t, engine)
			certificate := Administer(t, &cfg)
			first := Run(t, cfg, files)
			second := Run(t, cfg, files)
			require.NotEqual(t, first.URL(), second.URL())
			test(t, first.As(t, certificate), second.As(t, certificate))
		})
	}
}
