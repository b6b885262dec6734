package keyring

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// register counts uses as a database does.
type register struct {
	UseStore

	total, statements atomic.Int64
}

func (r *register) ReserveUses(_ context.Context, _ MaterialKey, n int64) (int64, error) {
	r.statements.Add(1)
	return r.total.Add(n), nil
}

// However many replicas use a key directly, whatever the limit, and whoever of them ends in the middle: no use is beyond the limit, none is
// given away that nobody had, and the limit is used up but for what a replica had reserved when it ended.
func TestUseCounter_KeepsEveryLimit(t *testing.T) {
	t.Parallel()
	version := MaterialKey{Tenant: "a", ID: "v", Version: 1}
	for round := range 200 {
		random := rand.New(rand.NewPCG(uint64(round), 7)) // a test that can be repeated
		limit := 1 + random.Int64N([]int64{5, 100, 5_000, 200_000}[round%4])
		store := &register{}
		replicas := []*useCounter{newUseCounter(store), newUseCounter(store), newUseCounter(store)}
		var used, lost int64
		for len(replicas) > 0 {
			i := random.IntN(len(replicas))
			for range 1 + random.IntN(1+int(limit/10)) {
				granted, err := replicas[i].take(t.Context(), version, limit)
				require.NoError(t, err)
				if !granted {
					replicas = append(replicas[:i], replicas[i+1:]...)
					break
				}
				used++
			}
			if len(replicas) > i && random.IntN(50) == 0 {
				lost += replicas[i].block(slotOf(version)).left
				replicas[i] = newUseCounter(store) // it was killed, and has started again
			}
		}
		assert.LessOrEqual(t, used, limit)
		assert.GreaterOrEqual(t, used, limit-lost, "limit %d", limit)
		assert.GreaterOrEqual(t, store.total.Load(), used, "counted over, never under")
		assert.LessOrEqual(t, lost, limit/2, "what is reserved is a small part of what is left")
	}
}

func TestUseCounter_AsksTheDatabaseSeldom(t *testing.T) {
	t.Parallel()
	const limit = 1_000_000
	store := &register{}
	counter := newUseCounter(store)
	for range limit {
		granted, err := counter.take(t.Context(), MaterialKey{Tenant: "a", ID: "v"}, limit)
		require.NoError(t, err)
		require.True(t, granted)
	}
	assert.LessOrEqual(t, float64(store.statements.Load()), limit/float64(useBlock)+2*useShare*math.Log(limit))
}

func TestUseCounter_ALimitThatIsLoweredHoldsAtOnce(t *testing.T) {
	t.Parallel()
	store := &register{}
	counter := newUseCounter(store)
	version := MaterialKey{Tenant: "a", ID: "v"}
	for range 50 {
		_, err := counter.take(t.Context(), version, maxDirectUses)
		require.NoError(t, err)
	}
	granted, err := counter.take(t.Context(), version, 50)
	require.NoError(t, err)
	assert.False(t, granted)
	granted, err = counter.take(t.Context(), version, maxDirectUses)
	require.NoError(t, err)
	assert.True(t, granted, "and one that is raised")
}

func TestUseCounter_ManyAtOnce(t *testing.T) {
	t.Parallel()
	store := &register{}
	counter := newUseCounter(store)
	var used atomic.Int64
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for {
				granted, err := counter.take(context.WithoutCancel(t.Context()), MaterialKey{Tenant: "a", ID: "v"}, 10_000)
				if err != nil || !granted {
					return
				}
				used.Add(1)
			}
		})
	}
	group.Wait()
	assert.EqualValues(t, 10_000, used.Load())
}
