package accesstest_test

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// A session that was begun with fewer scopes than its owner has does not get at single keys by his grants either.
func TestSessions_ThatWereNarrowedHaveNoGrants(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg, files := kmstest.Prepare(t, engine)
			certificate := kmstest.Administer(t, &cfg)
			s := kmstest.Run(t, cfg, files)
			p := kmstest.Pair{Root: s.As(t, certificate), Other: s, Key: s.Create(t, s.Operator(t), "shared", "A256GCM/A256KW"), Serial: &atomic.Int32{}}
			id, token := p.Token(t, "kms:read")
			p.Made(t, "grants", map[string]any{
				"subject_kind": "api_token", "subject_id": id, "resource_kind": "elastic-key", "resource": p.Key, "scopes": []string{"kms:encrypt"},
			})
			encrypt := func(credential string) int {
				return p.Other.Call(t, credential, http.MethodPost, "elastic-keys/"+p.Key+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}).Status
			}
			whole := p.Other.Call(t, token, http.MethodPost, "sessions", map[string]any{}).Done(t, http.StatusCreated).Member(t, "session_token")
			narrow := p.Other.Call(t, token, http.MethodPost, "sessions", map[string]any{"scopes": []string{"kms:read"}}).Done(t, http.StatusCreated).Member(t, "session_token")
			assert.Equal(t, http.StatusOK, encrypt(token))
			assert.Equal(t, http.StatusOK, encrypt(whole))
			assert.Equal(t, http.StatusForbidden, encrypt(narrow))
			assert.Equal(t, http.StatusOK, p.Other.Call(t, narrow, http.MethodGet, "elastic-keys/"+p.Key, nil).Status)
		})
	}
}
