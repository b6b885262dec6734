package lease_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/lease"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

const (
	// deadline is how long a test waits for what must happen.
	deadline = 30 * time.Second
	// long is a ttl within which no test needs a renewal.
	long = time.Hour
)

func sets() []database.Set {
	return []database.Set{database.PlatformMigrations(), {Name: "work", FS: fstest.MapFS{"0001_work.sql": {Data: []byte(`-- +goose Up
CREATE TABLE work (id TEXT PRIMARY KEY, value BIGINT NOT NULL);
INSERT INTO work (id, value) VALUES ('done', 0);
`)}}}}
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

// each opens one new database twice, as two replicas would, on every engine.
func each(t *testing.T, test func(t *testing.T, a, b *replica)) {
	t.Helper()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg := dbtest.Fresh(t, engine, sets()...)
			cfg.MaxConnections = 4
			test(t, newReplica(t, cfg, "a", nil), newReplica(t, cfg, "b", nil))
		})
	}
}

type replica struct {
	*lease.Leases
	db *database.DB
}

func newReplica(t testing.TB, cfg database.Config, owner string, now func() time.Time) *replica {
	t.Helper()
	db := dbtest.Open(t, cfg, sets()...)
	leases, err := lease.New(lease.Config{DB: db, Owner: owner, Log: slog.New(slog.DiscardHandler), Now: now, TTL: 2 * time.Second})
	require.NoError(t, err)
	return &replica{leases, db}
}

// done counts up what the work has done, in the transaction of ctx.
func (r *replica) done(ctx context.Context) error {
	_, err := r.db.Exec(ctx, `UPDATE work SET value = value + 1 WHERE id = 'done'`)
	return err
}

func (r *replica) doneTimes(t testing.TB) (n int) {
	t.Helper()
	require.NoError(t, r.db.QueryRow(t.Context(), `SELECT value FROM work WHERE id = 'done'`).Scan(&n))
	return n
}

func (r *replica) execute(t testing.TB, statement string) {
	t.Helper()
	_, err := r.db.Exec(t.Context(), statement)
	require.NoError(t, err)
}

var errWork = errors.New("the work failed")

func nothing(context.Context) error { return nil }

func TestHold_LetsOneInAtATime(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a, b *replica) {
		var inside, runs atomic.Int32
		var working sync.WaitGroup
		for i := range 16 {
			holder := []*replica{a, b}[i%2]
			working.Go(func() {
				for {
					err := holder.Hold(t.Context(), "job", long, func(context.Context) error {
						assert.EqualValues(t, 1, inside.Add(1))
						defer inside.Add(-1)
						runs.Add(1)
						return nil
					})
					if !errors.Is(err, lease.ErrHeld) {
						assert.NoError(t, err)
						return
					}
				}
			})
		}
		working.Wait()
		assert.EqualValues(t, 16, runs.Load())
	})
}

func TestHold_RefusesWhileHeldAndGivesBack(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a, b *replica) {
		err := a.Hold(t.Context(), "job", long, func(ctx context.Context) error {
			assert.ErrorIs(t, a.Hold(t.Context(), "job", long, nothing), lease.ErrHeld, "by another one in the same process too")
			assert.ErrorIs(t, b.Hold(t.Context(), "job", long, nothing), lease.ErrHeld)
			assert.NoError(t, b.Hold(t.Context(), "another job", long, nothing))
			return errWork
		})
		require.ErrorIs(t, err, errWork)
		require.NoError(t, b.Hold(t.Context(), "job", long, nothing), "given back after a failure")
		assert.Panics(t, func() { _ = a.Hold(t.Context(), "job", long, func(context.Context) error { panic("in the work") }) })
		require.NoError(t, b.Hold(t.Context(), "job", long, nothing), "and after a panic")

		ctx, cancel := context.WithCancel(t.Context())
		require.ErrorIs(t, a.Hold(ctx, "job", long, func(ctx context.Context) error {
			cancel()
			<-ctx.Done()
			return ctx.Err()
		}), context.Canceled)
		require.NoError(t, b.Hold(t.Context(), "job", long, nothing), "and at shutdown")
	})
}

func TestHold_RefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a, _ *replica) {
		require.ErrorContains(t, a.Hold(t.Context(), "", long, nothing), "needs a name")
		require.ErrorContains(t, a.Hold(t.Context(), "job", time.Millisecond, nothing), "at least")
		require.ErrorContains(t, a.Every(t.Context(), "job", 0, nothing), "interval")
		require.NoError(t, a.db.InTx(t.Context(), func(ctx context.Context) error {
			assert.ErrorIs(t, a.Hold(ctx, "job", long, nothing), database.ErrInTransaction)
			assert.ErrorIs(t, a.Every(ctx, "job", long, nothing), database.ErrInTransaction)
			return nil
		}))
		require.ErrorContains(t, a.db.InTx(t.Context(), a.Fence), "not under a lease")
		require.NoError(t, a.Hold(t.Context(), "job", long, func(ctx context.Context) error {
			assert.ErrorContains(t, a.Fence(ctx), "not in a transaction")
			return nil
		}))
	})
}

func TestHold_IsCancelledWhenAnotherTakesTheLease(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a, b *replica) {
		err := a.Hold(t.Context(), "job", 3*time.Second, func(ctx context.Context) error {
			require.Eventually(t, func() bool { // until it falls between two renewals
				b.execute(t, `UPDATE leases SET expires_at = 0`)
				return !errors.Is(b.Hold(t.Context(), "job", long, nothing), lease.ErrHeld)
			}, deadline, 10*time.Millisecond)
			<-ctx.Done()
			assert.ErrorIs(t, context.Cause(ctx), lease.ErrLost)
			return nil
		})
		require.ErrorIs(t, err, lease.ErrLost, "though the work says that all is well")
	})
}

func TestHold_IsCancelledWhenTheDatabaseStaysAway(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a, b *replica) {
		err := a.Hold(t.Context(), "job", time.Second, func(ctx context.Context) error {
			b.execute(t, `ALTER TABLE leases RENAME TO away`)
			<-ctx.Done()
			b.execute(t, `ALTER TABLE away RENAME TO leases`)
			return ctx.Err()
		})
		require.ErrorIs(t, err, lease.ErrLost)
	})
}

func TestHold_IsRenewedForAsLongAsTheWorkTakes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a, b *replica) {
		const ttl = 2 * time.Second
		require.NoError(t, a.Hold(t.Context(), "job", ttl, func(ctx context.Context) error {
			end := time.Now().Add(ttl + ttl/4)
			for time.Now().Before(end) {
				if !assert.ErrorIs(t, b.Hold(t.Context(), "job", ttl, nothing), lease.ErrHeld) {
					break
				}
				wait(t, 50*time.Millisecond)
			}
			return a.db.InTx(ctx, a.Fence)
		}))
	})
}

// wait lets time pass where that itself is the subject.
func wait(t testing.TB, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}

// TestHold_ExpiresOnTheClockOfAllReplicas has a holder that died without giving back: its row is all there is of it.
func TestHold_ExpiresOnTheClockOfAllReplicas(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			clock := newClock()
			b := newReplica(t, dbtest.Fresh(t, engine, sets()...), "b", clock.Now)
			_, err := b.db.Exec(t.Context(), `INSERT INTO leases (name, owner, token, expires_at, due_at) VALUES ('job', 'dead', 41, $1, 0)`,
				database.Micros(clock.Now().Add(time.Minute)))
			require.NoError(t, err)
			require.ErrorIs(t, b.Hold(t.Context(), "job", long, nothing), lease.ErrHeld)
			clock.advance(time.Minute - time.Microsecond)
			require.ErrorIs(t, b.Hold(t.Context(), "job", long, nothing), lease.ErrHeld)
			clock.advance(time.Microsecond)
			require.NoError(t, b.Hold(t.Context(), "job", long, func(ctx context.Context) error {
				var token int
				var owner string
				require.NoError(t, b.db.QueryRow(ctx, `SELECT token, owner FROM leases`).Scan(&token, &owner))
				assert.Equal(t, 42, token)
				assert.Equal(t, "b", owner)
				return nil
			}))
		})
	}
}

func TestNew_SaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := lease.New(lease.Config{})
	require.ErrorContains(t, err, "required")
}
