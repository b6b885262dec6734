package admin_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
)

func TestValues_MoveUnderNewerKeysAndStayReadable(t *testing.T) {
	t.Parallel()
	eachEngine(t, 1, func(t *testing.T, c *cluster) {
		t.Helper()
		r := c.replicas[0]
		for _, tenant := range []string{"acme", "other"} {
			for i := range 3 {
				r.call(root(tenant), http.MethodPost, "/users", fmt.Sprintf(`{"login":"user-%d"}`, i)).ok(http.StatusCreated)
			}
			require.NoError(t, r.barrier.Rotate(t.Context(), tenant, barrier.LevelContent))
		}
		seen := map[string]int{}
		for _, source := range r.dir.Values() {
			for after := ""; ; {
				items, err := source.Next(t.Context(), after, 2)
				require.NoError(t, err)
				if len(items) == 0 {
					break
				}
				for _, item := range items {
					seen[source.Name()]++
					plain, err := r.barrier.Unwrap(t.Context(), item.Binding, item.JWE)
					require.NoError(t, err)
					w, err := r.barrier.Tenant(t.Context(), item.Binding.Tenant)
					require.NoError(t, err)
					jwe, err := w.Wrap(item.Binding, plain)
					require.NoError(t, err)
					moved, err := source.Replace(t.Context(), item, jwe)
					require.NoError(t, err)
					assert.True(t, moved)
					moved, err = source.Replace(t.Context(), item, jwe)
					require.NoError(t, err)
					assert.False(t, moved, "the value is another one by now")
					after = item.Position
				}
			}
		}
		assert.Equal(t, map[string]int{"auth/user-profile": 6, "auth/login-key": 2}, seen)
		r.dir.Forget()
		assert.Contains(t, r.call(root("acme"), http.MethodGet, "/users?login=user-1", "").ok(http.StatusOK).body, `"login":"user-1"`)
	})
}
