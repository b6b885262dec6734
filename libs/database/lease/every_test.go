package lease_test

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/lease"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// every runs Every until the test ends, or stop is called, which waits for it.
func every(t testing.TB, r *replica, interval time.Duration, fn func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- r.Every(ctx, "job", interval, fn) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("every: %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

func TestEvery_RunsOncePerIntervalOnAllReplicasTogether(t *testing.T) {
	t.Parallel()
	const interval = 200 * time.Millisecond
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg := dbtest.Fresh(t, engine, sets()...)
			var mu sync.Mutex
			var began []time.Time
			for i := range 3 {
				every(t, newReplica(t, cfg, strconv.Itoa(i), nil), interval, func(context.Context) error {
					mu.Lock()
					defer mu.Unlock()
					began = append(began, time.Now())
					return nil
				})
			}
			require.Eventually(t, func() bool {
				mu.Lock()
				defer mu.Unlock()
				return len(began) >= 5
			}, deadline, 10*time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			for i := 1; i < len(began); i++ {
				assert.GreaterOrEqual(t, began[i].Sub(began[i-1]), interval-interval/4)
			}
		})
	}
}

func TestEvery_RemembersWhenItRanLast(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a, b *replica) {
		var runs atomic.Int32
		count := func(context.Context) error { runs.Add(1); return nil }
		stop := every(t, a, time.Hour, count)
		require.Eventually(t, func() bool { return runs.Load() == 1 }, deadline, time.Millisecond)
		stop()
		stop = every(t, b, time.Hour, count) // another replica, or a restart
		wait(t, 100*time.Millisecond)
		stop()
		assert.EqualValues(t, 1, runs.Load())

		stop = every(t, b, time.Minute, count) // the interval was made shorter
		require.Eventually(t, func() bool { return runs.Load() == 2 }, deadline, time.Millisecond)
		wait(t, 100*time.Millisecond)
		stop()
		assert.EqualValues(t, 2, runs.Load())
	})
}

func TestEvery_TakesOverFromAReplicaThatDied(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a, b *replica) {
		// It began a run and was killed: the lease is held, the work is due.
		now := time.Now()
		_, err := a.db.Exec(t.Context(), `INSERT INTO leases (name, owner, token, expires_at, due_at) VALUES ('job', 'dead', 1, $1, $2)`,
			database.Micros(now.Add(time.Second)), database.Micros(now))
		require.NoError(t, err)
		ran := make(chan time.Time, 1)
		every(t, b, time.Hour, func(ctx context.Context) error {
			ran <- time.Now()
			return b.db.InTx(ctx, b.Fence)
		})
		select {
		case at := <-ran:
			assert.GreaterOrEqual(t, at.Sub(now), 900*time.Millisecond, "not while it was held")
		case <-time.After(deadline):
			t.Fatal("nobody took it over")
		}
	})
}

func TestEvery_TriesAgainAfterAFailure(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a, b *replica) {
		var runs atomic.Int32
		fail := func(context.Context) error {
			if runs.Add(1) < 3 {
				return errWork
			}
			return nil
		}
		every(t, a, 50*time.Millisecond, fail)
		every(t, b, 50*time.Millisecond, fail)
		require.Eventually(t, func() bool { return runs.Load() >= 4 }, deadline, time.Millisecond)
	})
}

func TestEvery_LeavesWorkThatShutdownCutsOffToOthers(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a, b *replica) {
		began := make(chan struct{})
		stop := every(t, a, time.Hour, func(ctx context.Context) error {
			close(began)
			<-ctx.Done()
			return ctx.Err()
		})
		<-began
		stop()
		var runs atomic.Int32
		every(t, b, time.Hour, func(context.Context) error { runs.Add(1); return nil })
		require.Eventually(t, func() bool { return runs.Load() == 1 }, deadline, time.Millisecond)
	})
}

func TestEvery_GoesOnWhenTheDatabaseIsBack(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a, b *replica) {
		var runs atomic.Int32
		b.execute(t, `ALTER TABLE leases RENAME TO away`)
		every(t, a, 20*time.Millisecond, func(context.Context) error { runs.Add(1); return nil })
		wait(t, 50*time.Millisecond)
		assert.Zero(t, runs.Load())
		b.execute(t, `ALTER TABLE away RENAME TO leases`)
		require.Eventually(t, func() bool { return runs.Load() > 1 }, deadline, time.Millisecond)
	})
}

func BenchmarkFence(b *testing.B) {
	for _, engine := range dbtest.Engines() {
		b.Run(engine, func(b *testing.B) {
			r := newReplica(b, dbtest.Fresh(b, engine, sets()...), "a", nil)
			require.NoError(b, r.Hold(b.Context(), "job", long, func(ctx context.Context) error {
				return r.db.InTx(ctx, func(ctx context.Context) error {
					for b.Loop() {
						if err := r.Fence(ctx); err != nil {
							return err
						}
					}
					return nil
				})
			}))
		})
	}
}

var _ interface {
	Every(ctx context.Context, name string, interval time.Duration, fn func(ctx context.Context) error) error
	Fence(ctx context.Context) error
} = (*lease.Leases)(nil)
