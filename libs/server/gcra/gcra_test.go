package gcra_test

import (
	"net/netip"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/server/gcra"
)

func TestMain(m *testing.M) {
	fips.Require()
	os.Exit(m.Run())
}

var start = time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC)

func TestTake_BurstThenRate(t *testing.T) {
	t.Parallel()
	l := gcra.New[string](100)
	rate := gcra.Rate{Limit: 10, Per: time.Second, Burst: 5}
	for i := range 5 {
		v := l.Take("k", rate, 1, start)
		require.True(t, v.Allowed)
		assert.Equal(t, 4-i, v.Remaining)
		assert.Equal(t, time.Duration(i+1)*100*time.Millisecond, v.ResetAfter)
		assert.Zero(t, v.RetryAfter)
	}
	v := l.Take("k", rate, 1, start)
	assert.Equal(t, gcra.Verdict{ResetAfter: 500 * time.Millisecond, RetryAfter: 100 * time.Millisecond}, v)
	assert.True(t, l.Take("other", rate, 1, start).Allowed)
	assert.False(t, l.Take("k", rate, 1, start.Add(99*time.Millisecond)).Allowed)
	assert.True(t, l.Take("k", rate, 1, start.Add(100*time.Millisecond)).Allowed, "RetryAfter is exact")
	assert.False(t, l.Take("k", rate, 3, start.Add(399*time.Millisecond)).Allowed)
	v = l.Take("k", rate, 3, start.Add(400*time.Millisecond))
	assert.True(t, v.Allowed)
	assert.Zero(t, v.Remaining)
	assert.False(t, l.Take("large", rate, 6, start).Allowed, "more than the burst is never there")
	assert.Equal(t, 4, l.Take("k", rate, 1, start.Add(time.Hour)).Remaining, "an idle key has no more than its burst")
	assert.Equal(t, 1, l.Take("back", rate, 1, start).Remaining-3)
	assert.Positive(t, l.Take("back", rate, 1, start.Add(-time.Hour)).RetryAfter, "a clock that goes back gives nothing away")
}

func TestTake_WithoutARate(t *testing.T) {
	t.Parallel()
	l := gcra.New[string](1)
	for range 1000 {
		require.True(t, l.Take("k", gcra.Rate{}, 1000, start).Allowed)
	}
	assert.Zero(t, l.Len())
	assert.True(t, l.Take("k", gcra.Rate{Limit: 1, Per: time.Second}, 1, start).Allowed, "a burst of none is one")
}

func TestTake_AdmitsExactlyTheBurstAtOnce(t *testing.T) {
	t.Parallel()
	l := gcra.New[string](100)
	rate := gcra.Rate{Limit: 1, Per: time.Hour, Burst: 100}
	var admitted atomic.Int64
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 50 {
				if l.Take("k", rate, 1, start).Allowed {
					admitted.Add(1)
				}
			}
		})
	}
	callers.Wait()
	assert.EqualValues(t, 100, admitted.Load())
}

func TestTake_MemoryIsBounded(t *testing.T) {
	t.Parallel()
	l := gcra.New[string](6400)
	rate := gcra.Rate{Limit: 1, Per: time.Minute, Burst: 1000}
	for range 1000 {
		l.Take("busy", rate, 1, start)
	}
	for i := range 100_000 {
		l.Take(strconv.Itoa(i), rate, 1, start)
	}
	assert.LessOrEqual(t, l.Len(), 6400)
	assert.False(t, l.Take("busy", rate, 1, start).Allowed, "who used most is forgotten last")
	for i := range 100_000 { // by then the others are full again and make room by themselves
		l.Take(strconv.Itoa(-i), rate, 1, start.Add(24*time.Hour))
	}
	assert.LessOrEqual(t, l.Len(), 6400)
}

func BenchmarkTake(b *testing.B) {
	rate := gcra.Rate{Limit: 1 << 30, Per: time.Second, Burst: 1 << 20}
	b.Run("address", func(b *testing.B) {
		l := gcra.New[netip.Addr](1 << 16)
		address := netip.MustParseAddr("192.0.2.1")
		b.ReportAllocs()
		for b.Loop() {
			l.Take(address, rate, 1, start)
		}
	})
	type caller struct {
		tenant, kind, id string
		address          netip.Addr
	}
	b.Run("caller", func(b *testing.B) {
		l := gcra.New[caller](1 << 16)
		who := caller{tenant: "acme", kind: "client", id: "01990000-0000-7000-8000-000000000000", address: netip.IPv4Unspecified()}
		b.ReportAllocs()
		for b.Loop() {
			l.Take(who, rate, 1, start)
		}
	})
}
