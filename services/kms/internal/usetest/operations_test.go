package usetest_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

func TestOperations_EveryOneOfTheDocumentIsTried(t *testing.T) {
	t.Parallel()
	listed := map[string]bool{}
	for _, op := range kmstest.Operations(t) {
		listed[op.ID] = true
		assert.Contains(t, kmstest.Asks(), op.ID, "%s %s is new: say how it is asked, so that every property test here covers it", op.Method, op.Path)
	}
	for id := range kmstest.Asks() {
		assert.True(t, listed[id], "%s is no operation any more", id)
	}
}

func TestOperations_TheHolderSucceedsWithEach(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		h := kmstest.NewHolding(t, s, "default", s.Operator(t)).Renewing(t, s)
		for _, h := range []kmstest.Holding{h, h.ByName(), h.UpperCase()} {
			for _, op := range kmstest.Operations(t) {
				for _, ask := range kmstest.Asks()[op.ID](h) {
					s.Call(t, h.Token, op.Method, ask.Path, ask.Body).Fulfilled(t, op, ask.Path)
				}
			}
		}
		opened := s.Post(t, h.Token, "elastic-keys/"+h.SecretName+"/decrypt", map[string]any{"ciphertext": h.Ciphertext})
		assert.Equal(t, "aGVsbG8", opened.Member(t, "plaintext"))
		assert.Equal(t, http.StatusOK, opened.Status)
	})
}
