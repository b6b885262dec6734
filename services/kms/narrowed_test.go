package kms_test

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// A session that was begun with fewer scopes than its owner has does not get at single keys by his grants either.
func TestSessions_ThatWereNarrowedHaveNoGrants(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg, files := prepare(t, engine)
			certificate := administer(t, &cfg)
			s := run(t, cfg, files)
			p := pair{root: s.as(t, certificate), other: s, key: s.create(t, s.operator(t), "shared", "A256GCM/A256KW"), serial: &atomic.Int32{}}
			id, token := p.token(t, "kms:read")
			p.made(t, "grants", map[string]any{
				"subject_kind": "api_token", "subject_id": id, "resource_kind": "elastic-key", "resource": p.key, "scopes": []string{"kms:encrypt"},
			})
			encrypt := func(credential string) int {
				return p.other.call(t, credential, http.MethodPost, "elastic-keys/"+p.key+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}).status
			}
			whole := p.other.call(t, token, http.MethodPost, "sessions", map[string]any{}).done(t, http.StatusCreated).member(t, "session_token")
			narrow := p.other.call(t, token, http.MethodPost, "sessions", map[string]any{"scopes": []string{"kms:read"}}).done(t, http.StatusCreated).member(t, "session_token")
			assert.Equal(t, http.StatusOK, encrypt(token))
			assert.Equal(t, http.StatusOK, encrypt(whole))
			assert.Equal(t, http.StatusForbidden, encrypt(narrow))
			assert.Equal(t, http.StatusOK, p.other.call(t, narrow, http.MethodGet, "elastic-keys/"+p.key, nil).status)
		})
	}
}
