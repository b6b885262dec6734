package keygen_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
)

// slow makes keys that take as long as given, and counts how many are made at the same time, at most.
func slow(t *testing.T, duration time.Duration, most *atomic.Int32) func(alg.Spec) (*jwk.Key, error) {
	t.Helper()
	var now atomic.Int32
	return func(alg.Spec) (*jwk.Key, error) {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		<-time.After(duration) // the bubble's clock
		return keygen.Generate(parseSpec(t, "Ed25519", 0))
	}
}

func TestTake_MakesFewRSAKeysAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var most atomic.Int32
		p := newPool(t, keygen.Config{OnTheSpot: 2, Depths: map[string]int{"RSA-2048": 1}, Generate: slow(t, time.Second, &most)})
		defer p.Close()
		p.Ready()
		rs256 := parseSpec(t, "RS256", 2048)
		start := time.Now()
		var group sync.WaitGroup
		for range 10 {
			group.Go(func() { take(t, p, rs256) })
		}
		group.Wait()
		assert.Equal(t, int32(2), most.Load(), "the worker leaves the processors to the callers")
		assert.Equal(t, 5*time.Second, time.Since(start))
		assert.Equal(t, map[string]int{"RSA-2048": 0}, p.Depths())
		<-time.After(time.Second)
		synctest.Wait()
		assert.Equal(t, map[string]int{"RSA-2048": 1}, p.Depths(), "afterwards the stock is filled")
	})
}

func TestTake_RefusesMoreThanCanBeMadeInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var most atomic.Int32
		p := newPool(t, keygen.Config{OnTheSpot: 1, Depths: map[string]int{"RSA-4096": 0}, Generate: slow(t, 15*time.Second, &most)})
		defer p.Close()
		rs256 := parseSpec(t, "RS256", 4096)
		var made, atOnce, late atomic.Int32
		start := time.Now()
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				_, err := p.Take(t.Context(), rs256)
				if err == nil {
					made.Add(1)
					return
				}
				require.ErrorIs(t, err, keygen.ErrBusy)
				var coded interface{ ErrorCode() string }
				require.ErrorAs(t, err, &coded)
				assert.Equal(t, "overloaded", coded.ErrorCode())
				if time.Since(start) == 0 {
					atOnce.Add(1)
				} else {
					assert.Equal(t, 20*time.Second, time.Since(start))
					late.Add(1)
				}
			})
		}
		synctest.Wait()
		assert.Equal(t, int32(4), atOnce.Load(), "sixteen may wait")
		take(t, p, parseSpec(t, "ES256", 0)) // other keys are not concerned
		group.Wait()
		assert.Equal(t, int32(2), made.Load())
		assert.Equal(t, int32(14), late.Load())
		take(t, p, rs256)
	})
}

func TestTake_StopsWaitingWithItsCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var most atomic.Int32
		p := newPool(t, keygen.Config{OnTheSpot: 1, Depths: map[string]int{"RSA-4096": 0}, Generate: slow(t, 10*time.Second, &most)})
		defer p.Close()
		rs256 := parseSpec(t, "RS256", 4096)
		var group sync.WaitGroup
		group.Go(func() { take(t, p, rs256) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := p.Take(ctx, rs256)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(start))
		group.Wait()
		take(t, p, rs256)
	})
}

func TestNewPool_RefusesANegativeNumberOnTheSpot(t *testing.T) {
	t.Parallel()
	_, err := keygen.NewPool(keygen.Config{OnTheSpot: -1})
	require.Error(t, err)
}
