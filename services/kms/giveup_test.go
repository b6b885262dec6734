package kms_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// versionCount is how many versions an elastic key says it has.
func versionCount(t testing.TB, key answer) float64 {
	t.Helper()
	var counted struct {
		VersionCount float64 `json:"version_count"`
	}
	require.NoError(t, json.Unmarshal(key.body, &counted))
	return counted.VersionCount
}

// Clients that leave in the middle leave all of a change or nothing of it, and the service goes on.
func TestChanges_GivenUpHalfWayAreWholeOrAbsent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.operator(t)
		s.create(t, token, "turning", "A256GCM/A256KW")
		seed := mathrand.Uint64()
		t.Logf("seed %d", seed)
		const workers, rounds = 4, 15
		failures := make([]error, workers)
		var group sync.WaitGroup
		for worker := range workers {
			draw := mathrand.New(mathrand.NewPCG(seed, uint64(worker)))
			group.Go(func() {
				for i := range rounds {
					for what, request := range map[string]*http.Request{
						"create": s.request(t, token, http.MethodPost, "elastic-keys", map[string]any{"name": fmt.Sprintf("key-%d-%d", worker, i), "algorithm": "A256GCM/A256KW"}),
						"repeatable": s.request(t, token, http.MethodPost, "elastic-keys",
							map[string]any{"name": fmt.Sprintf("key-%d-%d-r", worker, i), "algorithm": "A256GCM/A256KW"}, idempotencyKey, fmt.Sprintf("%d-%d", worker, i)),
						"rotate": s.request(t, token, http.MethodPost, "elastic-keys/turning/rotate", nil),
					} {
						ctx, cancel := context.WithTimeout(request.Context(), time.Duration(draw.IntN(4000))*time.Microsecond)
						got, err := s.exchange(request.WithContext(ctx))
						cancel()
						if err == nil && got.status != http.StatusCreated {
							err = fmt.Errorf("%s: %d %s", what, got.status, got.body)
						}
						if err != nil && !errors.Is(err, context.DeadlineExceeded) {
							failures[worker] = err
							return
						}
					}
				}
			})
		}
		group.Wait()
		require.NoError(t, errors.Join(failures...))

		for _, key := range s.get(t, token, "elastic-keys?limit=1000").items(t) {
			name, id := key["name"].(string), key["id"].(string)
			// What was given up last may still be under way: the key is read before and after its versions until it did not change.
			var before, after float64
			var versions []map[string]any
			require.Eventually(t, func() bool {
				before = versionCount(t, s.get(t, token, "elastic-keys/"+id))
				versions = s.get(t, token, "elastic-keys/"+id+"/material-keys?limit=1000").items(t)
				after = versionCount(t, s.get(t, token, "elastic-keys/"+id))
				return before == after
			}, 10*time.Second, time.Millisecond)
			assert.Len(t, versions, int(after), name)
			for _, version := range versions {
				assert.LessOrEqual(t, version["version"], after, name)
			}
			sealed := s.post(t, token, "elastic-keys/"+id+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
			s.post(t, token, "elastic-keys/"+id+"/decrypt", map[string]any{"ciphertext": sealed.member(t, "ciphertext")})
		}
		// Whoever gave up a repeatable request repeats it and gets the one answer. A claim that is still being given back says so.
		for worker := range workers {
			for i := range rounds {
				name := fmt.Sprintf("key-%d-%d-r", worker, i)
				var last answer
				require.Eventually(t, func() bool {
					last = s.call(t, token, http.MethodPost, "elastic-keys", map[string]any{"name": name, "algorithm": "A256GCM/A256KW"}, idempotencyKey, fmt.Sprintf("%d-%d", worker, i))
					return last.status != http.StatusConflict
				}, 10*time.Second, time.Millisecond)
				require.Equal(t, http.StatusCreated, last.status, "%s", last.body)
				assert.Equal(t, last.member(t, "id"), s.get(t, token, "elastic-keys/"+name).member(t, "id"))
			}
		}
		assert.NotContains(t, s.logs.String(), `"level":"ERROR"`, "a client that leaves is no fault of the service")
	})
}
