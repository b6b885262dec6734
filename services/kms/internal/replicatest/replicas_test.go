package replicatest_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// Two replicas on one database are one service: what one of them did the other knows within a second.
func TestReplicas_ActAsOne(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, first *kmstest.Service) {
		second := kmstest.Run(t, first.Config, first.Files)
		token := first.Operator(t)
		h := kmstest.NewHolding(t, first, "default", token).Renewing(t, second)
		for _, op := range kmstest.Operations(t) {
			for _, ask := range kmstest.Asks()[op.ID](h) {
				second.Call(t, token, op.Method, ask.Path, ask.Body).Fulfilled(t, op, "on the other replica")
			}
		}
		sealed := second.Post(t, token, "elastic-keys/"+h.Secret+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
		version := int(sealed.Object(t)["version"].(float64))
		first.Post(t, token, "elastic-keys/"+h.Secret+"/rotate", nil)
		var next kmstest.Answer
		require.Eventually(t, func() bool {
			next = second.Post(t, token, "elastic-keys/"+h.Secret+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
			return int(next.Object(t)["version"].(float64)) == version+1
		}, time.Second, time.Millisecond, "a rotation elsewhere is in force within a second")
		for _, message := range []string{h.Ciphertext, sealed.Member(t, "ciphertext"), next.Member(t, "ciphertext")} {
			first.Post(t, token, "elastic-keys/"+h.Secret+"/decrypt", map[string]any{"ciphertext": message})
		}
		once := first.Post(t, token, "elastic-keys", map[string]any{"name": "once", "algorithm": "ES256"}, kmstest.IdempotencyKey, "k")
		second.Post(t, token, "elastic-keys", map[string]any{"name": "once", "algorithm": "ES256"}, kmstest.IdempotencyKey, "k").Repeats(t, once, "on the other replica")

		// Sealing is each replica's own.
		first.Admin(t, http.MethodPost, "seal", "")
		h.Fresh = nil
		first.IsSealed(t, h)
		second.Post(t, token, "elastic-keys/"+h.Secret+"/decrypt", map[string]any{"ciphertext": h.Ciphertext})
	})
}

func TestReplicas_RotateAndEncryptAtOnce(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, first *kmstest.Service) {
		second := kmstest.Run(t, first.Config, first.Files)
		token := first.Operator(t)
		first.Create(t, token, "turning", "A256GCM/A256KW")
		const rounds = 10
		workers := []*kmstest.Service{first, second, first, second}
		messages, failures := make([][]string, len(workers)), make([]error, len(workers))
		var group sync.WaitGroup
		for i, s := range workers {
			group.Go(func() {
				for range rounds {
					got, err := s.Exchange(s.Request(t, token, http.MethodPost, "elastic-keys/turning/rotate", nil))
					if err == nil && got.Status != http.StatusCreated {
						err = fmt.Errorf("rotate: %d %s", got.Status, got.Body)
					}
					var sealed kmstest.Answer
					if err == nil {
						sealed, err = s.Exchange(s.Request(t, token, http.MethodPost, "elastic-keys/turning/encrypt", map[string]any{"plaintext": "aGVsbG8"}))
					}
					if err == nil && sealed.Status != http.StatusOK {
						err = fmt.Errorf("encrypt: %d %s", sealed.Status, sealed.Body)
					}
					if err != nil {
						failures[i] = err
						return
					}
					messages[i] = append(messages[i], sealed.Member(t, "ciphertext"))
				}
			})
		}
		group.Wait()
		require.NoError(t, errors.Join(failures...))
		assert.Equal(t, rounds*len(workers)+1, first.VersionCount(t, token, "turning"), "no version is lost, none is made twice")
		for i, s := range workers {
			for _, message := range messages[i] {
				s.Post(t, token, "elastic-keys/turning/decrypt", map[string]any{"ciphertext": message})
			}
		}
	})
}
