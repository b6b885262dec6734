package lease_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/lease"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// TestFence_StopsAHolderThatWasPaused is the reason for fences: a holder stands still for longer than its ttl, another one does the work, and the
// first one goes on without knowing.
func TestFence_StopsAHolderThatWasPaused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a, b *replica) {
		err := a.Hold(t.Context(), "job", long, func(ctx context.Context) error {
			work := func(ctx context.Context) error {
				if err := a.Fence(ctx); err != nil {
					return err
				}
				return a.done(ctx)
			}
			require.NoError(t, a.db.InTx(ctx, work))
			b.execute(t, `UPDATE leases SET expires_at = 0`) // time passes
			require.NoError(t, a.db.InTx(ctx, work), "nobody has taken it")

			require.NoError(t, b.Hold(t.Context(), "job", long, func(ctx context.Context) error {
				require.NoError(t, b.db.InTx(ctx, func(ctx context.Context) error {
					if err := b.Fence(ctx); err != nil {
						return err
					}
					return b.done(ctx)
				}))
				return nil
			}))
			err := a.db.InTx(ctx, work)
			require.ErrorIs(t, err, lease.ErrLost, "also when the other one has given it back")
			return err
		})
		require.ErrorIs(t, err, lease.ErrLost)
		assert.Equal(t, 3, a.doneTimes(t))
		require.NoError(t, b.Hold(t.Context(), "job", long, func(context.Context) error {
			assert.ErrorIs(t, a.Hold(t.Context(), "job", long, nothing), lease.ErrHeld, "a late release frees nobody else's lease")
			return nil
		}))
	})
}

// TestFence_HoldsOffATakeOverUntilTheCommit has a second replica that tries to take an expired lease over while a fenced transaction is open.
func TestFence_HoldsOffATakeOverUntilTheCommit(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a, b *replica) {
		require.NoError(t, a.Hold(t.Context(), "job", long, func(ctx context.Context) error {
			b.execute(t, `UPDATE leases SET expires_at = 0`)
			var taking sync.WaitGroup
			defer taking.Wait()
			return a.db.InTx(ctx, func(ctx context.Context) error {
				if err := a.Fence(ctx); err != nil {
					return err
				}
				taking.Go(func() {
					assert.NoError(t, b.Hold(t.Context(), "job", long, func(ctx context.Context) error {
						assert.Equal(t, 1, b.doneTimes(t), "what the first one did is there")
						return nil
					}))
				})
				return a.done(ctx)
			})
		}))
	})
}

func TestFence_ChecksEveryLeaseAround(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a, b *replica) {
		err := a.Hold(t.Context(), "outer", long, func(ctx context.Context) error {
			return a.Hold(ctx, "inner", long, func(ctx context.Context) error {
				require.NoError(t, a.db.InTx(ctx, a.Fence))
				b.execute(t, `UPDATE leases SET expires_at = 0 WHERE name = 'outer'`)
				require.NoError(t, b.Hold(t.Context(), "outer", long, nothing))
				return a.db.InTx(ctx, a.Fence)
			})
		})
		require.ErrorIs(t, err, lease.ErrLost)
	})
}

// TestFence_WorksForATenantsRole uses the role that may neither own tables nor see rows of other tenants.
func TestFence_WorksForATenantsRole(t *testing.T) {
	t.Parallel()
	a := newReplica(t, dbtest.TwoRoles(t, sets()...), "a", nil)
	for _, bound := range []string{"", "t", database.AllTenants} {
		require.NoError(t, a.Hold(database.WithTenant(t.Context(), bound), "job", long, func(ctx context.Context) error {
			return a.db.InTx(database.WithTenant(ctx, bound), a.Fence)
		}))
	}
	ran := make(chan struct{}, 1)
	every(t, a, time.Hour, func(context.Context) error { ran <- struct{}{}; return nil })
	select {
	case <-ran:
	case <-time.After(deadline):
		t.Fatal("it did not run")
	}
}
