package kms_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Who does not want to wait for a large RSA key is answered at once, and has it soon, on every replica.
func TestCreate_RespondsBeforeALargeKeyIsGenerated(t *testing.T) {
	t.Parallel()
	eachAdministered(t, func(t *testing.T, s, other *service) {
		ask := map[string]any{"name": "large", "algorithm": "RS256", "key_size": 3072}
		got := s.call(t, "", http.MethodPost, "elastic-keys", ask, "Prefer", "wait=5, Respond-Async; x=1", idempotencyKey, "once")
		require.Equal(t, http.StatusAccepted, got.status, "%s", got.body)
		assert.Equal(t, "respond-async", got.header.Get("Preference-Applied"))
		assert.Equal(t, "pending_generate", got.member(t, "status"))
		assert.EqualValues(t, 0, got.object(t)["primary_version"])
		id := got.member(t, "id")
		assert.Equal(t, "elastic-keys/"+id, got.header.Get("Location"))
		again := s.call(t, "", http.MethodPost, "elastic-keys", ask, "Prefer", "respond-async", idempotencyKey, "once")
		assert.Equal(t, id, again.member(t, "id"), "the same answer to a repeated request")
		s.call(t, "", http.MethodPost, "elastic-keys", ask, "Prefer", "respond-async").refused(t, http.StatusConflict, "conflict", "the name is taken")
		if refused := other.call(t, "", http.MethodPost, "elastic-keys/"+id+"/sign", map[string]any{"payload": "aGVsbG8"}); refused.status != http.StatusOK {
			refused.refused(t, http.StatusConflict, "invalid_state", "before it is there")
			assert.Contains(t, refused.member(t, "detail"), "pending_generate")
			assert.Contains(t, refused.member(t, "detail"), "active")
		}
		for _, replica := range []*service{s, other} {
			require.Eventually(t, func() bool {
				return replica.call(t, "", http.MethodPost, "elastic-keys/"+id+"/sign", map[string]any{"payload": "aGVsbG8"}).status == http.StatusOK
			}, time.Minute, 50*time.Millisecond)
		}
		s.call(t, "", http.MethodPost, "elastic-keys/"+id+"/retry-generation", nil).refused(t, http.StatusConflict, "invalid_state", "nothing has failed")
		s.hears(t, "key.generated")
		for _, prefer := range []string{"", "respond-asynchronously", "wait=1"} {
			body := map[string]any{"name": "small" + map[string]string{"": "1", "wait=1": "2"}[prefer], "algorithm": "ES256"}
			var header []string
			if prefer != "" {
				header = []string{"Prefer", prefer}
			}
			made := s.call(t, "", http.MethodPost, "elastic-keys", body, header...)
			require.Equal(t, http.StatusCreated, made.status, "%s", made.body)
			assert.Empty(t, made.header.Get("Preference-Applied"))
		}
	})
}
