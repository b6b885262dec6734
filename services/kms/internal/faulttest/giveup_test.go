package faulttest_test

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// Clients that leave in the middle leave all of a change or nothing of it, and the service goes on.
func TestChanges_GivenUpHalfWayAreWholeOrAbsent(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		token := s.Operator(t)
		s.Create(t, token, "turning", "A256GCM/A256KW")
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
						"create": s.Request(t, token, http.MethodPost, "elastic-keys", map[string]any{"name": fmt.Sprintf("key-%d-%d", worker, i), "algorithm": "A256GCM/A256KW"}),
						"repeatable": s.Request(t, token, http.MethodPost, "elastic-keys",
							map[string]any{"name": fmt.Sprintf("key-%d-%d-r", worker, i), "algorithm": "A256GCM/A256KW"}, kmstest.IdempotencyKey, fmt.Sprintf("%d-%d", worker, i)),
						"rotate": s.Request(t, token, http.MethodPost, "elastic-keys/turning/rotate", nil),
					} {
						ctx, cancel := context.WithTimeout(request.Context(), time.Duration(draw.IntN(4000))*time.Microsecond)
						got, err := s.Exchange(request.WithContext(ctx))
						cancel()
						if err == nil && got.Status != http.StatusCreated {
							err = fmt.Errorf("%s: %d %s", what, got.Status, got.Body)
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

		for _, key := range s.Get(t, token, "elastic-keys?limit=1000").Items(t) {
			name, id := key["name"].(string), key["id"].(string)
			// What was given up last may still be under way: the key is read before and after its versions until it did not change.
			var before, after float64
			var versions []map[string]any
			require.Eventually(t, func() bool {
				before = kmstest.VersionCount(t, s.Get(t, token, "elastic-keys/"+id))
				versions = s.Get(t, token, "elastic-keys/"+id+"/material-keys?limit=1000").Items(t)
				after = kmstest.VersionCount(t, s.Get(t, token, "elastic-keys/"+id))
				return before == after
			}, 10*time.Second, time.Millisecond)
			assert.Len(t, versions, int(after), name)
			for _, version := range versions {
				assert.LessOrEqual(t, version["version"], after, name)
			}
			sealed := s.Post(t, token, "elastic-keys/"+id+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
			s.Post(t, token, "elastic-keys/"+id+"/decrypt", map[string]any{"ciphertext": sealed.Member(t, "ciphertext")})
		}
		// Whoever gave up a repeatable request repeats it and gets the one answer. A claim that is still being given back says so.
		for worker := range workers {
			for i := range rounds {
				name := fmt.Sprintf("key-%d-%d-r", worker, i)
				var last kmstest.Answer
				require.Eventually(t, func() bool {
					last = s.Call(t, token, http.MethodPost, "elastic-keys", map[string]any{"name": name, "algorithm": "A256GCM/A256KW"}, kmstest.IdempotencyKey, fmt.Sprintf("%d-%d", worker, i))
					return last.Status != http.StatusConflict
				}, 10*time.Second, time.Millisecond)
				require.Equal(t, http.StatusCreated, last.Status, "%s", last.Body)
				assert.Equal(t, last.Member(t, "id"), s.Get(t, token, "elastic-keys/"+name).Member(t, "id"))
			}
		}
		assert.NotContains(t, s.Logs.String(), `"level":"ERROR"`, "a client that leaves is no fault of the service")
	})
}
