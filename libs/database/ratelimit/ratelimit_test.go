package ratelimit_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/ratelimit"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

var _ ratelimit.Keys = (*barrier.Barrier)(nil)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// keys stands for an open barrier, or with err for a sealed one.
type keys struct{ err error }

func (k keys) DeriveKey(label string, n int) ([]byte, error) {
	return bytes.Repeat([]byte{byte(len(label))}, n), k.err
}

// clock is the clock of all replicas, moved by the test.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newLimiter(t testing.TB, db *database.DB, now func() time.Time) *ratelimit.Limiter {
	t.Helper()
	l, err := ratelimit.New(ratelimit.Config{DB: db, Keys: keys{}, Now: now})
	require.NoError(t, err)
	return l
}

// each runs test on every engine, on a clock that it moves.
func each(t *testing.T, test func(t *testing.T, l *ratelimit.Limiter, db *database.DB, clock *clock)) {
	t.Helper()
	dbtest.Each(t, []database.Set{database.PlatformMigrations()}, func(t *testing.T, db *database.DB) {
		clock := newClock()
		test(t, newLimiter(t, db, clock.Now), db, clock)
	})
}

func allow(t testing.TB, l *ratelimit.Limiter, key string, rate ratelimit.Rate, cost int) ratelimit.Verdict {
	t.Helper()
	v, err := l.Allow(t.Context(), key, rate, cost)
	require.NoError(t, err)
	return v
}

// tenPerMinute is one try in six seconds.
var tenPerMinute = ratelimit.Rate{Limit: 10, Per: time.Minute, Burst: 3}

func TestAllow_LetsTheBurstThroughAndThenTheRate(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, l *ratelimit.Limiter, _ *database.DB, clock *clock) {
		const s = time.Second
		for _, want := range []ratelimit.Verdict{
			{Allowed: true, Limit: 3, Remaining: 2, ResetAfter: 6 * s},
			{Allowed: true, Limit: 3, Remaining: 1, ResetAfter: 12 * s},
			{Allowed: true, Limit: 3, Remaining: 0, ResetAfter: 18 * s},
			{Limit: 3, ResetAfter: 18 * s, RetryAfter: 6 * s},
			{Limit: 3, ResetAfter: 18 * s, RetryAfter: 6 * s}, // a refusal costs nothing
		} {
			assert.Equal(t, want, allow(t, l, "key", tenPerMinute, 1))
		}
		assert.Equal(t, ratelimit.Verdict{Allowed: true, Limit: 3, Remaining: 2, ResetAfter: 6 * s}, allow(t, l, "another", tenPerMinute, 1))

		clock.advance(6*s - time.Microsecond)
		assert.Equal(t, ratelimit.Verdict{Limit: 3, ResetAfter: 12*s + time.Microsecond, RetryAfter: time.Microsecond}, allow(t, l, "key", tenPerMinute, 1))
		clock.advance(time.Microsecond)
		assert.Equal(t, ratelimit.Verdict{Allowed: true, Limit: 3, ResetAfter: 18 * s}, allow(t, l, "key", tenPerMinute, 1))
		clock.advance(time.Hour)
		assert.Equal(t, ratelimit.Verdict{Allowed: true, Limit: 3, Remaining: 2, ResetAfter: 6 * s}, allow(t, l, "key", tenPerMinute, 1), "never more than the burst")
	})
}

func TestAllow_CountsTheCost(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, l *ratelimit.Limiter, _ *database.DB, _ *clock) {
		const s = time.Second
		assert.Equal(t, ratelimit.Verdict{Allowed: true, Limit: 3, Remaining: 3}, allow(t, l, "key", tenPerMinute, 0), "a look")
		assert.Equal(t, ratelimit.Verdict{Allowed: true, Limit: 3, Remaining: 1, ResetAfter: 12 * s}, allow(t, l, "key", tenPerMinute, 2))
		assert.Equal(t, ratelimit.Verdict{Limit: 3, Remaining: 1, ResetAfter: 12 * s, RetryAfter: 6 * s}, allow(t, l, "key", tenPerMinute, 2))
		assert.Equal(t, ratelimit.Verdict{Allowed: true, Limit: 3, Remaining: 1, ResetAfter: 12 * s}, allow(t, l, "key", tenPerMinute, 0))
		assert.Equal(t, ratelimit.Verdict{Allowed: true, Limit: 3, ResetAfter: 18 * s}, allow(t, l, "key", tenPerMinute, 1))
	})
}

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
			cfg := dbtest.Fresh(t, engine)
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
			cfg := dbtest.Fresh(t, engine)
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

func TestForgive_GivesTheBurstBack(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, l *ratelimit.Limiter, _ *database.DB, _ *clock) {
		require.NoError(t, l.Forgive(t.Context(), "key"))
		allow(t, l, "key", tenPerMinute, 3)
		allow(t, l, "another", tenPerMinute, 3)
		require.NoError(t, l.Forgive(t.Context(), "key"))
		assert.Equal(t, 3, allow(t, l, "key", tenPerMinute, 0).Remaining)
		assert.Equal(t, 0, allow(t, l, "another", tenPerMinute, 0).Remaining)
	})
}

func TestSweep_DeletesWhatMakesNoDifference(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, l *ratelimit.Limiter, db *database.DB, clock *clock) {
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
			for i := range 1100 {
				if _, err := db.Exec(ctx, `INSERT INTO rate_limits (key_hash, tat) VALUES ($1, $2)`, []byte(strconv.Itoa(i)), database.Micros(clock.Now())); err != nil {
					return err
				}
			}
			return nil
		}))
		clock.advance(time.Hour)
		allow(t, l, "key", tenPerMinute, 3)
		n, err := l.Sweep(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 1100, n, "in more than one batch")
		assert.False(t, allow(t, l, "key", tenPerMinute, 1).Allowed, "what counts stays")
		clock.advance(time.Hour)
		n, err = l.Sweep(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 1, n)
	})
}

func TestAllow_StoresNoKeyInTheClear(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, l *ratelimit.Limiter, db *database.DB, _ *clock) {
		allow(t, l, "login:alice@example.com", tenPerMinute, 1)
		var hash []byte
		require.NoError(t, db.QueryRow(t.Context(), `SELECT key_hash FROM rate_limits`).Scan(&hash))
		assert.Len(t, hash, 32)
		assert.NotContains(t, string(hash), "alice")
	})
}

func TestAllow_AllowsNothingInDoubt(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, l *ratelimit.Limiter, db *database.DB, _ *clock) {
		refused := func(ctx context.Context, l *ratelimit.Limiter, rate ratelimit.Rate, cost int) error {
			v, err := l.Allow(ctx, "key", rate, cost)
			require.Error(t, err)
			assert.Zero(t, v)
			return err
		}
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
			require.ErrorIs(t, refused(ctx, l, tenPerMinute, 1), database.ErrInTransaction)
			require.ErrorIs(t, l.Forgive(ctx, "key"), database.ErrInTransaction)
			return nil
		}))
		for _, cost := range []int{-1, 4} {
			require.ErrorContains(t, refused(t.Context(), l, tenPerMinute, cost), "burst is 3")
		}
		for _, rate := range []ratelimit.Rate{
			{},
			{Limit: 1, Per: time.Second},
			{Limit: 1, Burst: 1},
			{Per: time.Second, Burst: 1},
			{Limit: -1, Per: time.Second, Burst: 1},
			{Limit: 1, Per: -time.Second, Burst: 1},
			{Limit: 2, Per: time.Microsecond, Burst: 1},
			{Limit: 1, Per: 400 * 24 * time.Hour, Burst: 1},
			{Limit: 1, Per: 24 * time.Hour, Burst: 400},
			{Limit: 1, Per: time.Second, Burst: 1 << 62},
		} {
			_ = refused(t.Context(), l, rate, 1)
		}
		sealed := errors.New("sealed")
		l, err := ratelimit.New(ratelimit.Config{DB: db, Keys: keys{sealed}})
		require.NoError(t, err)
		require.ErrorIs(t, refused(t.Context(), l, tenPerMinute, 1), sealed)
	})
}

func TestAllow_AllowsNothingWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg := dbtest.Fresh(t, engine)
			db, err := database.Open(t.Context(), cfg, dbtest.Options(t))
			require.NoError(t, err)
			require.NoError(t, db.Migrate(t.Context(), database.PlatformMigrations()))
			l := newLimiter(t, db, nil)
			require.NoError(t, db.Close())
			v, err := l.Allow(t.Context(), "key", tenPerMinute, 1)
			require.Error(t, err)
			assert.False(t, v.Allowed)
		})
	}
}

func TestNew_SaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := ratelimit.New(ratelimit.Config{})
	require.ErrorContains(t, err, "required")
}

func BenchmarkAllow(b *testing.B) {
	for _, engine := range dbtest.Engines() {
		l := newLimiter(b, dbtest.Open(b, dbtest.Fresh(b, engine), database.PlatformMigrations()), nil)
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
