package barrier_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
)

func TestForget_ATenantWhoseKeysAreDeletedIsGone(t *testing.T) {
	t.Parallel()
	store := newMemStore()
	b := unsealed(t, store)
	b.Forget("nobody")
	value, other := wrap(t, b, place1("a"), "value"), wrap(t, b, place1("b"), "value")
	w, err := b.Tenant(t.Context(), "a")
	require.NoError(t, err)
	b.Forget("a")
	assert.Equal(t, "value", unwrap(t, b, place1("a"), value), "the store has them still")
	_, err = w.Wrap(place1("a"), []byte("value"))
	require.ErrorIs(t, err, barrier.ErrLost)

	store.remove(barrier.LevelIntermediate, "a", 1)
	store.remove(barrier.LevelContent, "a", 1)
	b.Forget("a")
	_, err = b.Unwrap(t.Context(), place1("a"), value)
	require.ErrorIs(t, err, barrier.ErrUnreadable)
	assert.Equal(t, "value", unwrap(t, b, place1("b"), other))
	b.Seal()
	b.Forget("b")
}

// Whatever was wrapped, values and keys, while somebody kept forgetting must open afterwards.
func TestForget_WhileKeysRotateAndWrap(t *testing.T) {
	t.Parallel()
	store := newMemStore()
	b := unsealed(t, store)
	done := make(chan struct{})
	var values []string
	var group sync.WaitGroup
	group.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				b.Forget("a")
			}
		}
	})
	group.Go(func() {
		defer close(done)
		for n := range 300 {
			w, err := b.Tenant(t.Context(), "a")
			if !assert.NoError(t, err) {
				return
			}
			value, err := w.Wrap(place1("a"), []byte("value"))
			if err == nil {
				values = append(values, value)
			} else if !assert.ErrorIs(t, err, barrier.ErrLost) {
				return
			}
			if n%10 == 0 {
				level := []barrier.Level{barrier.LevelIntermediate, barrier.LevelContent}[n/10%2]
				if err := b.Rotate(t.Context(), "a", level); err != nil {
					assert.ErrorIs(t, err, barrier.ErrParentGone)
				}
				if _, err := b.RewrapKeys(t.Context(), "a"); err != nil && !errors.Is(err, barrier.ErrUnreadable) {
					assert.ErrorIs(t, err, barrier.ErrParentGone)
				}
			}
		}
	})
	group.Wait()
	fresh := unsealed(t, store)
	for _, value := range values {
		require.Equal(t, "value", unwrap(t, fresh, place1("a"), value))
	}
	require.NoError(t, fresh.Rotate(t.Context(), "a", barrier.LevelContent))
}
