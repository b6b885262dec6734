package barrier_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
)

func TestRotateRoot_KeepsValuesAndDerivedKeys(t *testing.T) {
	t.Parallel()
	store := newMemStore()
	first, second := unsealed(t, store), unsealed(t, store)
	values := []string{wrap(t, first, place1("a"), "value")}
	derived, err := first.DeriveKey("label", 64)
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, first.RotateRoot(t.Context(), unsealKey(), unsealKeyID))
		require.NoError(t, first.Rotate(t.Context(), "a", barrier.LevelIntermediate))
		require.NoError(t, first.Rotate(t.Context(), "a", barrier.LevelContent))
		values = append(values, wrap(t, first, place1("a"), "value"))
	}
	newest := store.row(barrier.LevelRoot, "", 4)
	assert.Equal(t, newest.ID, store.row(barrier.LevelIntermediate, "a", 4).ParentID)
	assert.Equal(t, unsealKeyID, newest.ParentID)

	// The other replica has no unseal key any more, and a third one starts with it.
	for _, b := range []*barrier.Barrier{second, unsealed(t, store)} {
		for _, value := range values {
			assert.Equal(t, "value", unwrap(t, b, place1("a"), value))
		}
		same, err := b.DeriveKey("label", 64)
		require.NoError(t, err)
		assert.Equal(t, derived, same)
		require.NoError(t, b.Rotate(t.Context(), "b", barrier.LevelContent))
		assert.Equal(t, newest.ID, store.row(barrier.LevelIntermediate, "b", 1).ParentID)
	}
}

func TestRotateRoot_NeedsTheUnsealKeyInForce(t *testing.T) {
	t.Parallel()
	store := newMemStore()
	b := unsealed(t, store)
	for id, key := range map[string][]byte{"other": unsealKey(), unsealKeyID: []byte(strings.Repeat("x", barrier.UnsealKeySize))} {
		require.ErrorIs(t, b.RotateRoot(t.Context(), key, id), barrier.ErrWrongUnsealKey)
	}
	require.Error(t, b.RotateRoot(t.Context(), nil, unsealKeyID))
	assert.Len(t, store.all(), 1)
	b.Seal()
	require.ErrorIs(t, b.RotateRoot(t.Context(), unsealKey(), unsealKeyID), barrier.ErrSealed)
}

func TestRotateRoot_AtTheSameMomentOnManyReplicas(t *testing.T) {
	t.Parallel()
	store := newMemStore()
	barriers := make([]*barrier.Barrier, 6)
	for i := range barriers {
		barriers[i] = unsealed(t, store)
	}
	values := make([]string, len(barriers))
	each(len(barriers), func(i int) {
		assert.NoError(t, barriers[i].RotateRoot(t.Context(), unsealKey(), unsealKeyID))
		values[i] = wrap(t, barriers[i], place1("a"), "value")
	})
	for _, b := range slices.Concat(barriers, []*barrier.Barrier{unsealed(t, store)}) {
		require.NoError(t, b.Follow(t.Context()))
		for _, value := range values {
			assert.Equal(t, "value", unwrap(t, b, place1("a"), value))
		}
	}
}

// Work goes on while root, intermediate and content keys rotate on another replica.
func TestRotate_EverythingWhileAnotherReplicaWorks(t *testing.T) {
	t.Parallel()
	store := newMemStore()
	worker, rotator := unsealed(t, store), unsealed(t, store)
	done := make(chan struct{})
	var values []string
	var group sync.WaitGroup
	group.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			w, err := worker.Tenant(t.Context(), "a")
			if !assert.NoError(t, err) {
				return
			}
			value, err := w.Wrap(place1("a"), []byte("value"))
			if !assert.NoError(t, err) {
				return
			}
			values = append(values, value)
			assert.NoError(t, worker.Follow(t.Context()))
		}
	})
	for range 20 {
		assert.NoError(t, rotator.RotateRoot(t.Context(), unsealKey(), unsealKeyID))
		assert.NoError(t, rotator.Rotate(t.Context(), "a", barrier.LevelIntermediate))
		assert.NoError(t, rotator.Rotate(t.Context(), "a", barrier.LevelContent))
		_, err := rotator.RewrapKeys(t.Context(), "a")
		assert.NoError(t, err)
	}
	close(done)
	group.Wait()
	for _, b := range []*barrier.Barrier{worker, rotator, unsealed(t, store)} {
		for _, value := range values {
			require.Equal(t, "value", unwrap(t, b, place1("a"), value))
		}
	}
}

func TestFollow_IsCheapAndTakesOverNewKeys(t *testing.T) {
	t.Parallel()
	store := newMemStore()
	first, second := unsealed(t, store), unsealed(t, store)
	require.NoError(t, newBarrier(t, store).Follow(t.Context()), "a sealed one has nothing to follow")
	wrap(t, second, place1("a"), "value")
	w, err := second.Tenant(t.Context(), "a")
	require.NoError(t, err)
	require.NoError(t, second.Follow(t.Context()))
	require.NoError(t, first.Rotate(t.Context(), "a", barrier.LevelContent))
	require.NoError(t, second.Follow(t.Context()))
	value, err := w.Wrap(place1("a"), []byte("value"))
	require.NoError(t, err)
	assert.Equal(t, store.row(barrier.LevelContent, "a", 2).ID, headerOf(t, value)["kid"], "a wrapper from before uses it too")

	away := errors.New("the database is away")
	store.setFailure(away)
	require.ErrorIs(t, second.Follow(t.Context()), away)
}

func TestFollow_TheSuccessionEndsAfterItsTime(t *testing.T) {
	t.Parallel()
	store := newMemStore()
	now := clock()
	var mu sync.Mutex
	b, err := barrier.New(barrier.Config{Store: store, Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now }})
	require.NoError(t, err)
	require.NoError(t, b.Unseal(t.Context(), unsealKey(), unsealKeyID))
	late := unsealed(t, store)
	require.NoError(t, b.RotateRoot(t.Context(), unsealKey(), unsealKeyID))
	pass := func(d time.Duration) {
		mu.Lock()
		now = now.Add(d)
		mu.Unlock()
		require.NoError(t, b.Follow(t.Context()))
	}
	pass(barrier.SuccessionTime - time.Second)
	assert.NotEmpty(t, store.row(barrier.LevelSuccession, "", 2).ID)
	pass(time.Second)
	assert.Empty(t, store.row(barrier.LevelSuccession, "", 2).ID)

	// Who was away for longer needs the unseal key once more; until then it goes on with what it has.
	value := wrap(t, late, place1("a"), "value")
	require.ErrorIs(t, late.Follow(t.Context()), barrier.ErrBehind)
	assert.Equal(t, "value", unwrap(t, late, place1("a"), value))
	require.NoError(t, b.Rotate(t.Context(), "a", barrier.LevelIntermediate))
	require.NoError(t, b.Rotate(t.Context(), "a", barrier.LevelContent))
	_, err = late.Tenant(t.Context(), "a")
	require.ErrorIs(t, err, barrier.ErrBehind)
	require.NoError(t, late.Unseal(t.Context(), unsealKey(), unsealKeyID))
	require.NoError(t, late.Follow(t.Context()))
	assert.Equal(t, "value", unwrap(t, late, place1("a"), wrap(t, b, place1("a"), "value")))
}

// A succession that was altered, or is another root key's, is refused and named.
func TestFollow_AForgedSuccessionIsRefused(t *testing.T) {
	t.Parallel()
	store := newMemStore()
	b, other := unsealed(t, store), unsealed(t, store)
	require.NoError(t, b.RotateRoot(t.Context(), unsealKey(), unsealKeyID))
	require.NoError(t, b.RotateRoot(t.Context(), unsealKey(), unsealKeyID))
	second := store.row(barrier.LevelSuccession, "", 2)
	store.edit(barrier.LevelSuccession, "", 2, func(row *barrier.WrappedKey) { row.ID = store.rows[place{barrier.LevelSuccession, "", 3}].ID })
	require.ErrorIs(t, other.Follow(t.Context()), barrier.ErrMoved)
	store.edit(barrier.LevelSuccession, "", 2, func(row *barrier.WrappedKey) { *row = second; row.JWE = cutTail(row.JWE) })
	require.ErrorIs(t, other.Follow(t.Context()), barrier.ErrUnreadable)
	store.edit(barrier.LevelSuccession, "", 2, func(row *barrier.WrappedKey) { *row = second })
	require.NoError(t, other.Follow(t.Context()))
}

func TestRewrapKeys_MovesKeysUnderTheNewest(t *testing.T) {
	t.Parallel()
	store := newMemStore()
	b, other := unsealed(t, store), unsealed(t, store)
	value := wrap(t, other, place1("a"), "value")
	assert.True(t, other.Current("a", value))
	require.NoError(t, b.RotateRoot(t.Context(), unsealKey(), unsealKeyID))
	require.NoError(t, b.Rotate(t.Context(), "a", barrier.LevelIntermediate))
	require.NoError(t, b.Rotate(t.Context(), "a", barrier.LevelContent))
	n, err := b.RewrapKeys(t.Context(), "a")
	require.NoError(t, err)
	assert.Equal(t, 2, n, "the first intermediate key and the first content key")
	n, err = b.RewrapKeys(t.Context(), "a")
	require.NoError(t, err)
	assert.Zero(t, n)
	root, intermediate := store.row(barrier.LevelRoot, "", 2).ID, store.row(barrier.LevelIntermediate, "a", 2).ID
	for version := range int64(2) {
		assert.Equal(t, root, store.row(barrier.LevelIntermediate, "a", version+1).ParentID)
		assert.Equal(t, intermediate, store.row(barrier.LevelContent, "a", version+1).ParentID)
	}
	for _, r := range []*barrier.Barrier{b, other, unsealed(t, store)} {
		assert.Equal(t, "value", unwrap(t, r, place1("a"), value))
		require.NoError(t, r.Follow(t.Context()))
		assert.False(t, r.Current("a", value))
		assert.True(t, r.Current("a", wrap(t, r, place1("a"), "value")))
		assert.True(t, r.Current("unknown", value), "nothing is known of it")
		assert.True(t, r.Current("a", "nonsense"))
	}
	b.Seal()
	assert.True(t, b.Current("a", value))
	_, err = b.RewrapKeys(t.Context(), "a")
	require.ErrorIs(t, err, barrier.ErrSealed)
}

func TestUnseal_NoNewRootWhereValuesAre(t *testing.T) {
	t.Parallel()
	used, failure := true, error(nil)
	store := newMemStore()
	b, err := barrier.New(barrier.Config{Store: store, Now: clock, InUse: func(context.Context) (bool, error) { return used, failure }})
	require.NoError(t, err)
	require.ErrorIs(t, b.Unseal(t.Context(), unsealKey(), unsealKeyID), barrier.ErrInUse)
	assert.Empty(t, store.all())
	used, failure = false, errors.New("the database is away")
	require.ErrorIs(t, b.Unseal(t.Context(), unsealKey(), unsealKeyID), failure)
	failure = nil
	require.NoError(t, b.Unseal(t.Context(), unsealKey(), unsealKeyID))
	b.Seal()
	used = true
	require.NoError(t, b.Unseal(t.Context(), unsealKey(), unsealKeyID), "the root key is there")
}

func TestStage_BothUnsealKeysOpen(t *testing.T) {
	t.Parallel()
	store := newMemStore()
	b := unsealed(t, store)
	require.NoError(t, b.RotateRoot(t.Context(), unsealKey(), unsealKeyID))
	value := wrap(t, b, place1("a"), "value")
	next := []byte(strings.Repeat("n", barrier.UnsealKeySize))
	_, err := b.Stage(t.Context(), next, unsealKeyID, next, "next")
	require.ErrorIs(t, err, barrier.ErrWrongUnsealKey)
	staged, err := b.Stage(t.Context(), unsealKey(), unsealKeyID, next, "next")
	require.NoError(t, err)
	require.Len(t, staged, 2)

	fresh := newBarrier(t, store)
	require.ErrorIs(t, fresh.CheckUnsealKey(t.Context(), next, "next"), barrier.ErrWrongUnsealKey)
	_, err = store.Insert(t.Context(), staged[0])
	require.NoError(t, err)
	require.ErrorIs(t, fresh.CheckUnsealKey(t.Context(), next, "next"), barrier.ErrWrongUnsealKey, "half of the root keys is not enough")
	_, err = store.Insert(t.Context(), staged[1])
	require.NoError(t, err)
	require.NoError(t, fresh.CheckUnsealKey(t.Context(), next, "next"))
	require.NoError(t, fresh.CheckUnsealKey(t.Context(), unsealKey(), unsealKeyID))
	assert.True(t, fresh.Sealed(), "checking opens nothing")
	require.ErrorIs(t, fresh.CheckUnsealKey(t.Context(), unsealKey(), "next"), barrier.ErrWrongUnsealKey)
	require.NoError(t, fresh.Unseal(t.Context(), next, "next"))
	assert.Equal(t, "value", unwrap(t, fresh, place1("a"), value))
}
