package ratelimit_test

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"sync"
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
			cfg := dbtest.Fresh(t, engine, database.PlatformMigrations())
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
