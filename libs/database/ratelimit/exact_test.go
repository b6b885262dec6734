package ratelimit_test

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/ratelimit"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// TestAllow_AgreesWithAModel compares random tries with a bucket that is counted by hand.
func TestAllow_AgreesWithAModel(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, l *ratelimit.Limiter, _ *database.DB, clock *clock) {
		rate := ratelimit.Rate{Limit: 7, Per: 7 * time.Second, Burst: 5}
		tokens := 5 * time.Second // a second is one try
		random := rand.New(rand.NewPCG(1, 2))
		for range 300 {
			step := time.Duration(random.IntN(1_500_000)) * time.Microsecond
			clock.advance(step)
			tokens = min(tokens+step, 5*time.Second)
			cost := random.IntN(4)
			v := allow(t, l, "key", rate, cost)
			require.Equal(t, tokens >= time.Duration(cost)*time.Second, v.Allowed)
			if v.Allowed {
				tokens -= time.Duration(cost) * time.Second
				require.Zero(t, v.RetryAfter)
			} else {
				require.Equal(t, time.Duration(cost)*time.Second-tokens, v.RetryAfter)
			}
			require.Equal(t, int(tokens/time.Second), v.Remaining)
			require.Equal(t, 5*time.Second-tokens, v.ResetAfter)
		}
	})
}

// TestAllow_IsExactWhateverTheConcurrency has three replicas that hammer one key, on a clock that stands still and is moved in steps.
func TestAllow_IsExactWhateverTheConcurrency(t *testing.T) {
	t.Parallel()
	rate := ratelimit.Rate{Limit: 60, Per: time.Minute, Burst: 10}
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			clock, limiters := newClock(), make([]*ratelimit.Limiter, 3)
			cfg := dbtest.Fresh(t, engine, database.PlatformMigrations())
			cfg.MaxConnections = 4
			for i := range limiters {
				limiters[i] = newLimiter(t, dbtest.Open(t, cfg, database.PlatformMigrations()), clock.Now)
			}
			hammer := func() int {
				var allowed atomic.Int32
				var trying sync.WaitGroup
				for i := range 12 {
					trying.Go(func() {
						for range 5 {
							v, err := limiters[i%3].Allow(t.Context(), "key", rate, 1)
							if !assert.NoError(t, err) {
								return
							}
							if v.Allowed {
								allowed.Add(1)
							} else {
								assert.Positive(t, v.RetryAfter)
							}
						}
					})
				}
				trying.Wait()
				return int(allowed.Load())
			}
			assert.Equal(t, 10, hammer(), "the burst")
			for range 3 {
				clock.advance(4 * time.Second)
				assert.Equal(t, 4, hammer(), "the rate")
			}
		})
	}
}

// TestAllow_IsExactOnTheDatabasesClock hammers in real time: what is admitted is the burst, and the rate times the time that passed.
func TestAllow_IsExactOnTheDatabasesClock(t *testing.T) {
	t.Parallel()
	const interval = 20 * time.Millisecond
	rate := ratelimit.Rate{Limit: 1, Per: interval, Burst: 5}
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			limiters := make([]*ratelimit.Limiter, 3)
			cfg := dbtest.Fresh(t, engine, database.PlatformMigrations())
			cfg.MaxConnections = 3
			for i := range limiters {
				limiters[i] = newLimiter(t, dbtest.Open(t, cfg, database.PlatformMigrations()), nil)
			}
			var allowed atomic.Int32
			var trying sync.WaitGroup
			began := time.Now()
			for i := range 6 {
				trying.Go(func() {
					for time.Since(began) < 600*time.Millisecond {
						v, err := limiters[i%3].Allow(t.Context(), "key", rate, 1)
						if !assert.NoError(t, err) {
							return
						}
						if v.Allowed {
							allowed.Add(1)
						}
					}
				})
			}
			trying.Wait()
			most := 5 + int(time.Since(began)/interval) + 1
			assert.LessOrEqual(t, int(allowed.Load()), most)
			assert.Greater(t, int(allowed.Load()), 5, "it goes on after the burst")
		})
	}
}

func BenchmarkAllow(b *testing.B) {
	for _, engine := range dbtest.Engines() {
		l := newLimiter(b, dbtest.Open(b, dbtest.Fresh(b, engine, database.PlatformMigrations()), database.PlatformMigrations()), nil)
		b.Run(engine+"/allowed", func(b *testing.B) {
			for b.Loop() {
				require.True(b, allow(b, l, "key", ratelimit.Rate{Limit: 1_000_000, Per: time.Second, Burst: 1000}, 1).Allowed)
			}
		})
		b.Run(engine+"/refused", func(b *testing.B) {
			allow(b, l, "hammered", tenPerMinute, 3)
			for b.Loop() {
				require.False(b, allow(b, l, "hammered", tenPerMinute, 3).Allowed)
			}
		})
	}
}

func TestAllow_WorksForATenantsRole(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, dbtest.Open(t, dbtest.TwoRoles(t, database.PlatformMigrations()), database.PlatformMigrations()), nil)
	for _, bound := range []string{"", "t", database.AllTenants} {
		v, err := l.Allow(database.WithTenant(t.Context(), bound), "key", tenPerMinute, 1)
		require.NoError(t, err)
		assert.True(t, v.Allowed)
	}
	assert.False(t, allow(t, l, "key", tenPerMinute, 1).Allowed)
	_, err := l.Sweep(t.Context())
	require.NoError(t, err)
}
