package barrier_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

const unsealKeyID = "test:1"

func unsealKey() []byte { return []byte("an unseal key of 32 bytes, tests") }

func TestUnseal_ReplicasWithTheSameKeyOpenTheSameBarrier(t *testing.T) {
	t.Parallel()
	store := newMemStore()
	first, second := unsealed(t, store), unsealed(t, store)
	for _, tenant := range []string{"a", "b"} {
		at := place1(tenant)
		jwe := wrap(t, first, at, "from the first")
		assert.Equal(t, "from the first", unwrap(t, second, at, jwe))
		jwe = wrap(t, second, at, "from the second")
		assert.Equal(t, "from the second", unwrap(t, first, at, jwe))
	}
	// One root key, and an intermediate and a content key for each tenant.
	assert.Len(t, store.all(), 5)
	for _, row := range store.all() {
		assert.Equal(t, int64(1), row.Version)
		assert.Equal(t, clock(), row.CreatedAt)
		assert.Len(t, row.ID, 36)
		assert.Equal(t, byte('7'), row.ID[14], "a UUIDv7")
	}
	id, err := first.UnsealKeyID(t.Context())
	require.NoError(t, err)
	assert.Equal(t, unsealKeyID, id)
}

func TestUnseal_WrongKeyIsACleanError(t *testing.T) {
	t.Parallel()
	store := newMemStore()
	right := unsealed(t, store)
	jwe := wrap(t, right, place1("a"), "value")

	wrong := newBarrier(t, store)
	other := bytes.Repeat([]byte{7}, barrier.UnsealKeySize)
	for id, key := range map[string][]byte{unsealKeyID: other, "test:2": unsealKey()} {
		err := wrong.Unseal(t.Context(), key, id)
		require.ErrorIs(t, err, barrier.ErrWrongUnsealKey)
		assert.True(t, wrong.Sealed())
		// Also when the barrier is open already.
		require.ErrorIs(t, right.Unseal(t.Context(), key, id), barrier.ErrWrongUnsealKey)
	}
	assert.Equal(t, "value", unwrap(t, right, place1("a"), jwe))
	require.NoError(t, wrong.Unseal(t.Context(), unsealKey(), unsealKeyID))
	assert.Equal(t, "value", unwrap(t, wrong, place1("a"), jwe))

	for _, key := range [][]byte{nil, make([]byte, 31), make([]byte, 33)} {
		require.Error(t, newBarrier(t, store).Unseal(t.Context(), key, unsealKeyID))
	}
	require.Error(t, newBarrier(t, store).Unseal(t.Context(), unsealKey(), ""))
}

func TestUnseal_AgainChangesNothing(t *testing.T) {
	t.Parallel()
	b := unsealed(t, newMemStore())
	w, err := b.Tenant(t.Context(), "a")
	require.NoError(t, err)
	require.NoError(t, b.Unseal(t.Context(), unsealKey(), unsealKeyID))
	jwe, err := w.Wrap(place1("a"), []byte("value"))
	require.NoError(t, err)
	assert.Equal(t, "value", unwrap(t, b, place1("a"), jwe))
}

func TestUnseal_RacingReplicasConverge(t *testing.T) {
	t.Parallel()
	const replicas = 8
	store := newMemStore()
	// Everybody reads "nothing there" before anybody inserts.
	var arrived sync.WaitGroup
	arrived.Add(replicas)
	store.hook = func(key barrier.WrappedKey) {
		if key.Level == barrier.LevelRoot {
			arrived.Done()
			arrived.Wait()
		}
	}
	barriers := make([]*barrier.Barrier, replicas)
	each(replicas, func(i int) {
		barriers[i] = newBarrier(t, store)
		assert.NoError(t, barriers[i].Unseal(t.Context(), unsealKey(), unsealKeyID))
	})
	assert.Len(t, store.all(), 1)
	want, err := barriers[0].DeriveKey("same", 32)
	require.NoError(t, err)
	for _, b := range barriers {
		got, err := b.DeriveKey("same", 32)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
}

func TestUnseal_LosingTheRaceAgainstAnotherUnsealKeyIsAWrongKey(t *testing.T) {
	t.Parallel()
	store := newMemStore()
	store.hook = func(barrier.WrappedKey) {
		store.setHook(nil)
		assert.NoError(t, newBarrier(t, store).Unseal(t.Context(), unsealKey(), "winner"))
	}
	loser := newBarrier(t, store)
	require.ErrorIs(t, loser.Unseal(t.Context(), unsealKey(), "loser"), barrier.ErrWrongUnsealKey)
	assert.True(t, loser.Sealed())
	assert.Len(t, store.all(), 1)
}

func TestTenant_RacingReplicasConverge(t *testing.T) {
	t.Parallel()
	const replicas = 8
	store := newMemStore()
	barriers := make([]*barrier.Barrier, replicas)
	for i := range barriers {
		barriers[i] = unsealed(t, store)
	}
	var arrived sync.WaitGroup
	arrived.Add(replicas)
	store.hook = func(key barrier.WrappedKey) {
		if key.Level == barrier.LevelIntermediate {
			arrived.Done()
			arrived.Wait()
		}
	}
	values := make([]string, replicas)
	each(replicas, func(i int) {
		w, err := barriers[i].Tenant(t.Context(), "a")
		if !assert.NoError(t, err) {
			return
		}
		values[i], err = w.Wrap(place1("a"), []byte("value"))
		assert.NoError(t, err)
	})
	assert.Len(t, store.all(), 3)
	for _, b := range barriers {
		for _, jwe := range values {
			assert.Equal(t, "value", unwrap(t, b, place1("a"), jwe))
		}
	}
}

func TestSeal_EverythingAnswersSealed(t *testing.T) {
	t.Parallel()
	b := newBarrier(t, newMemStore())
	at := place1("a")
	isSealed := func(err error) {
		t.Helper()
		require.ErrorIs(t, err, barrier.ErrSealed)
		var coded interface{ ErrorCode() string }
		require.ErrorAs(t, err, &coded)
		assert.Equal(t, "sealed", coded.ErrorCode())
	}
	check := func(jwe string) {
		t.Helper()
		assert.True(t, b.Sealed())
		_, err := b.Tenant(t.Context(), "a")
		isSealed(err)
		_, err = b.Unwrap(t.Context(), at, jwe)
		isSealed(err)
		_, err = b.DeriveKey("label", 32)
		isSealed(err)
		isSealed(b.Rotate(t.Context(), "a", barrier.LevelContent))
	}
	check("x")
	b.Seal() // While sealed: nothing happens.

	require.NoError(t, b.Unseal(t.Context(), unsealKey(), unsealKeyID))
	assert.False(t, b.Sealed())
	w, err := b.Tenant(t.Context(), "a")
	require.NoError(t, err)
	jwe, err := w.Wrap(at, []byte("value"))
	require.NoError(t, err)
	b.Seal()
	check(jwe)
	_, err = w.Wrap(at, []byte("value"))
	isSealed(err)

	// A wrapper from before stays useless; the values do not.
	require.NoError(t, b.Unseal(t.Context(), unsealKey(), unsealKeyID))
	_, err = w.Wrap(at, []byte("value"))
	isSealed(err)
	assert.Equal(t, "value", unwrap(t, b, at, jwe))
}

// Whatever was wrapped while somebody kept sealing and unsealing must open afterwards:
// nothing was ever wrapped under a key that was being overwritten.
func TestSeal_WhileOperationsAreInFlight(t *testing.T) {
	t.Parallel()
	store := newMemStore()
	b := unsealed(t, store)
	done, progress := make(chan struct{}), make(chan struct{}, 1)
	var workers sync.WaitGroup
	wrapped := make([][]string, 4)
	for i := range wrapped {
		at := place1(fmt.Sprint("tenant-", i%2))
		workers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				w, err := b.Tenant(t.Context(), at.Tenant)
				var jwe string
				if err == nil {
					jwe, err = w.Wrap(at, []byte("value"))
				}
				var plaintext []byte
				if err == nil {
					wrapped[i] = append(wrapped[i], jwe)
					select {
					case progress <- struct{}{}:
					default:
					}
					plaintext, err = b.Unwrap(t.Context(), at, jwe)
				}
				if err == nil {
					assert.Equal(t, "value", string(plaintext))
					_, err = b.DeriveKey("label", 32)
				}
				if err != nil && !assert.ErrorIs(t, err, barrier.ErrSealed) {
					return
				}
			}
		})
	}
	for range 100 {
		b.Seal()
		assert.NoError(t, b.Unseal(t.Context(), unsealKey(), unsealKeyID))
		<-progress
	}
	close(done)
	workers.Wait()
	fresh := unsealed(t, store)
	for i, values := range wrapped {
		for _, jwe := range values {
			require.Equal(t, "value", unwrap(t, fresh, place1(fmt.Sprint("tenant-", i%2)), jwe))
		}
	}
}

func TestDeriveKey_DependsOnLabelAndRootOnly(t *testing.T) {
	t.Parallel()
	b := unsealed(t, newMemStore())
	cursors, err := b.DeriveKey("cursors", 32)
	require.NoError(t, err)
	again, err := b.DeriveKey("cursors", 32)
	require.NoError(t, err)
	assert.Equal(t, cursors, again)
	other, err := b.DeriveKey("fingerprints", 32)
	require.NoError(t, err)
	assert.NotEqual(t, cursors, other)
	foreign, err := unsealed(t, newMemStore()).DeriveKey("cursors", 32)
	require.NoError(t, err)
	assert.NotEqual(t, cursors, foreign)
	for _, n := range []int{-1, 0, 31, 1025} {
		_, err = b.DeriveKey("cursors", n)
		require.Error(t, err)
	}
	_, err = b.DeriveKey("", 32)
	require.Error(t, err)
}

func TestBarrier_StoreFailuresKeepTheirCause(t *testing.T) {
	t.Parallel()
	store := newMemStore()
	away := errors.New("the database is away")
	store.setFailure(away)
	b := newBarrier(t, store)
	require.ErrorIs(t, b.Unseal(t.Context(), unsealKey(), unsealKeyID), away)
	assert.True(t, b.Sealed())
	_, err := b.UnsealKeyID(t.Context())
	require.ErrorIs(t, err, away)

	store.setFailure(nil)
	id, err := b.UnsealKeyID(t.Context())
	require.NoError(t, err)
	assert.Empty(t, id)
	require.NoError(t, b.Unseal(t.Context(), unsealKey(), unsealKeyID))
	jwe := wrap(t, b, place1("a"), "value")

	// Opening what is in memory does not need the store. Wrapping does: what is wrapped must be readable by others.
	store.setFailure(away)
	assert.Equal(t, "value", unwrap(t, b, place1("a"), jwe))
	for _, tenant := range []string{"a", "b"} {
		_, err = b.Tenant(t.Context(), tenant)
		require.ErrorIs(t, err, away)
	}
	require.NotErrorIs(t, err, barrier.ErrUnreadable)
	require.ErrorIs(t, b.Rotate(t.Context(), "a", barrier.LevelContent), away)
}

func TestBarrier_HidesKeys(t *testing.T) {
	t.Parallel()
	b := unsealed(t, newMemStore())
	assert.Equal(t, "barrier (unsealed)", fmt.Sprint(b))
	assert.Equal(t, "barrier (unsealed)", fmt.Sprintf("%#v", b))
	assert.Equal(t, "barrier (unsealed)", b.LogValue().String())
	b.Seal()
	assert.Equal(t, "barrier (sealed)", fmt.Sprintf("%+v", b))
}

func TestNew_NeedsStoreAndClock(t *testing.T) {
	t.Parallel()
	_, err := barrier.New(barrier.Config{Now: clock})
	require.Error(t, err)
	_, err = barrier.New(barrier.Config{Store: newMemStore()})
	require.Error(t, err)
}

func BenchmarkWrap(b *testing.B) {
	br := unsealed(b, newMemStore())
	w, err := br.Tenant(b.Context(), "a")
	require.NoError(b, err)
	for b.Loop() {
		if _, err := w.Wrap(place1("a"), make([]byte, 1024)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnwrap(b *testing.B) {
	br := unsealed(b, newMemStore())
	jwe := wrap(b, br, place1("a"), strings.Repeat("x", 1024))
	for b.Loop() {
		if _, err := br.Unwrap(b.Context(), place1("a"), jwe); err != nil {
			b.Fatal(err)
		}
	}
}

func clock() time.Time { return time.Date(2030, 1, 2, 3, 4, 5, 6000, time.UTC) }

func newBarrier(t testing.TB, store barrier.Store) *barrier.Barrier {
	t.Helper()
	b, err := barrier.New(barrier.Config{Store: store, Now: clock})
	require.NoError(t, err)
	return b
}

func unsealed(t testing.TB, store barrier.Store) *barrier.Barrier {
	t.Helper()
	b := newBarrier(t, store)
	require.NoError(t, b.Unseal(t.Context(), unsealKey(), unsealKeyID))
	return b
}

func place1(tenant string) barrier.Binding {
	return barrier.Binding{
		Tenant: tenant, Purpose: "test/value", ID: "row-1", Version: 1,
		Attributes: []barrier.Attribute{{Name: "algorithm", Value: "ES256"}, {Name: "exportable", Value: "false"}},
	}
}

func wrap(t testing.TB, b *barrier.Barrier, at barrier.Binding, value string) string {
	t.Helper()
	w, err := b.Tenant(t.Context(), at.Tenant)
	require.NoError(t, err)
	jwe, err := w.Wrap(at, []byte(value))
	require.NoError(t, err)
	return jwe
}

func unwrap(t testing.TB, b *barrier.Barrier, at barrier.Binding, jwe string) string {
	t.Helper()
	plaintext, err := b.Unwrap(t.Context(), at, jwe)
	require.NoError(t, err)
	return string(plaintext)
}

func each(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}
