package lifetest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// Who does not want to wait for a large RSA key is answered at once, and has it soon, on every replica.
func TestCreate_RespondsBeforeALargeKeyIsGenerated(t *testing.T) {
	t.Parallel()
	kmstest.EachAdministered(t, func(t *testing.T, s, other *kmstest.Service) {
		ask := map[string]any{"name": "large", "algorithm": "RS256", "key_size": 3072}
		got := s.Call(t, "", http.MethodPost, "elastic-keys", ask, "Prefer", "wait=5, Respond-Async; x=1", kmstest.IdempotencyKey, "once")
		require.Equal(t, http.StatusAccepted, got.Status, "%s", got.Body)
		assert.Equal(t, "respond-async", got.Header.Get("Preference-Applied"))
		assert.Equal(t, "pending_generate", got.Member(t, "status"))
		assert.EqualValues(t, 0, got.Object(t)["primary_version"])
		id := got.Member(t, "id")
		assert.Equal(t, "elastic-keys/"+id, got.Header.Get("Location"))
		again := s.Call(t, "", http.MethodPost, "elastic-keys", ask, "Prefer", "respond-async", kmstest.IdempotencyKey, "once")
		assert.Equal(t, id, again.Member(t, "id"), "the same answer to a repeated request")
		s.Call(t, "", http.MethodPost, "elastic-keys", ask, "Prefer", "respond-async").Refused(t, http.StatusConflict, "conflict", "the name is taken")
		if refused := other.Call(t, "", http.MethodPost, "elastic-keys/"+id+"/sign", map[string]any{"payload": "aGVsbG8"}); refused.Status != http.StatusOK {
			refused.Refused(t, http.StatusConflict, "invalid_state", "before it is there")
			assert.Contains(t, refused.Member(t, "detail"), "pending_generate")
			assert.Contains(t, refused.Member(t, "detail"), "active")
		}
		for _, replica := range []*kmstest.Service{s, other} {
			require.Eventually(t, func() bool {
				return replica.Call(t, "", http.MethodPost, "elastic-keys/"+id+"/sign", map[string]any{"payload": "aGVsbG8"}).Status == http.StatusOK
			}, time.Minute, 50*time.Millisecond)
		}
		s.Call(t, "", http.MethodPost, "elastic-keys/"+id+"/retry-generation", nil).Refused(t, http.StatusConflict, "invalid_state", "nothing has failed")
		s.Hears(t, "key.generated")
		for _, prefer := range []string{"", "respond-asynchronously", "wait=1"} {
			body := map[string]any{"name": "small" + map[string]string{"": "1", "wait=1": "2"}[prefer], "algorithm": "ES256"}
			var header []string
			if prefer != "" {
				header = []string{"Prefer", prefer}
			}
			made := s.Call(t, "", http.MethodPost, "elastic-keys", body, header...)
			require.Equal(t, http.StatusCreated, made.Status, "%s", made.Body)
			assert.Empty(t, made.Header.Get("Preference-Applied"))
		}
	})
}
