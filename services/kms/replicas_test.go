package kms_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Two replicas on one database are one service: what one of them did the other knows within a second.
func TestReplicas_ActAsOne(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, first *service) {
		second := run(t, first.cfg, first.files)
		token := first.operator(t)
		h := newHolding(t, first, "default", token).renewing(t, second)
		for _, op := range operations(t) {
			for _, ask := range asks[op.ID](h) {
				second.call(t, token, op.Method, ask.path, ask.body).fulfilled(t, op, "on the other replica")
			}
		}
		sealed := second.post(t, token, "elastic-keys/"+h.secret+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
		version := int(sealed.object(t)["version"].(float64))
		first.post(t, token, "elastic-keys/"+h.secret+"/rotate", nil)
		var next answer
		require.Eventually(t, func() bool {
			next = second.post(t, token, "elastic-keys/"+h.secret+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
			return int(next.object(t)["version"].(float64)) == version+1
		}, time.Second, time.Millisecond, "a rotation elsewhere is in force within a second")
		for _, message := range []string{h.ciphertext, sealed.member(t, "ciphertext"), next.member(t, "ciphertext")} {
			first.post(t, token, "elastic-keys/"+h.secret+"/decrypt", map[string]any{"ciphertext": message})
		}
		once := first.post(t, token, "elastic-keys", map[string]any{"name": "once", "algorithm": "ES256"}, idempotencyKey, "k")
		second.post(t, token, "elastic-keys", map[string]any{"name": "once", "algorithm": "ES256"}, idempotencyKey, "k").repeats(t, once, "on the other replica")

		// Sealing is each replica's own.
		first.admin(t, http.MethodPost, "seal", "")
		h.fresh = nil
		first.isSealed(t, h)
		second.post(t, token, "elastic-keys/"+h.secret+"/decrypt", map[string]any{"ciphertext": h.ciphertext})
	})
}

func TestReplicas_RotateAndEncryptAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, first *service) {
		second := run(t, first.cfg, first.files)
		token := first.operator(t)
		first.create(t, token, "turning", "A256GCM/A256KW")
		const rounds = 10
		workers := []*service{first, second, first, second}
		messages, failures := make([][]string, len(workers)), make([]error, len(workers))
		var group sync.WaitGroup
		for i, s := range workers {
			group.Go(func() {
				for range rounds {
					got, err := s.exchange(s.request(t, token, http.MethodPost, "elastic-keys/turning/rotate", nil))
					if err == nil && got.status != http.StatusCreated {
						err = fmt.Errorf("rotate: %d %s", got.status, got.body)
					}
					var sealed answer
					if err == nil {
						sealed, err = s.exchange(s.request(t, token, http.MethodPost, "elastic-keys/turning/encrypt", map[string]any{"plaintext": "aGVsbG8"}))
					}
					if err == nil && sealed.status != http.StatusOK {
						err = fmt.Errorf("encrypt: %d %s", sealed.status, sealed.body)
					}
					if err != nil {
						failures[i] = err
						return
					}
					messages[i] = append(messages[i], sealed.member(t, "ciphertext"))
				}
			})
		}
		group.Wait()
		require.NoError(t, errors.Join(failures...))
		assert.Equal(t, rounds*len(workers)+1, first.versionCount(t, token, "turning"), "no version is lost, none is made twice")
		for i, s := range workers {
			for _, message := range messages[i] {
				s.post(t, token, "elastic-keys/turning/decrypt", map[string]any{"ciphertext": message})
			}
		}
	})
}
