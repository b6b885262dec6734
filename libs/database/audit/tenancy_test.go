package audit_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// The whole way of events of two tenants, also where the database itself keeps them apart.
func TestLog_UnderRowLevelSecurity(t *testing.T) {
	t.Parallel()
	dbtest.EachTenancy(t, platform(), func(t *testing.T, db *database.DB) {
		r := newReplica(t, db, func(c *audit.Config) { c.Retention = 24 * time.Hour })
		require.NoError(t, r.Prepare(t.Context()))
		tenants := []string{"acme", "other", audit.System}
		for range 3 {
			require.NoError(t, db.InTx(database.WithTenant(t.Context(), "acme"), func(ctx context.Context) error {
				for _, tenant := range tenants { // events of several tenants in one transaction
					if err := r.Record(ctx, audit.Event{Tenant: tenant, Action: "in " + tenant}); err != nil {
						return err
					}
				}
				return r.Record(ctx, audit.Event{Action: "in acme"})
			}))
			for _, tenant := range tenants {
				r.Observe(audit.Observation{Event: audit.Event{Tenant: tenant, Action: "in " + tenant}, Known: true})
				require.NoError(t, r.RecordNow(database.WithTenant(t.Context(), "acme"), audit.Event{Tenant: tenant, Action: "in " + tenant}))
				require.NoError(t, r.RecordLocal(audit.Event{Tenant: tenant, Action: "in " + tenant}))
			}
			require.NoError(t, r.Flush(t.Context()))
			require.NoError(t, r.TakeOver(t.Context()))
			r.sequence()
			r.signed()
			r.clock.move(48 * time.Hour)
		}
		for tenant, n := range map[string]int{"acme": 15, "other": 12, audit.System: 12} {
			found := r.intact(tenant)
			assert.Len(t, found, n)
			for _, e := range found {
				assert.Equal(t, tenant, e["tenant"])
				assert.Equal(t, "in "+tenant, e["action"])
			}
			entries, err := r.List(t.Context(), tenant, audit.Filter{Action: "in acme"}, 0, 100)
			require.NoError(t, err)
			assert.Len(t, entries, map[string]int{"acme": 15}[tenant])
		}
		for range 2 {
			require.NoError(t, r.Retain(t.Context(), unfenced))
		}
		assert.Equal(t, 3, r.count("SELECT count(*) FROM audit_events WHERE action = 'audit.cut'"))
		r.sequence()
		for _, tenant := range tenants {
			r.intact(tenant)
		}
	})
}

func TestSequence_ManyTenants(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		const tenants = 600
		require.NoError(t, r.db.InTx(t.Context(), func(ctx context.Context) error {
			for i := range tenants {
				if err := r.Record(ctx, audit.Event{Tenant: fmt.Sprint("t", i), Action: "a"}); err != nil {
					return err
				}
			}
			return nil
		}))
		r.sequence()
		r.signed()
		assert.Equal(t, tenants, r.count("SELECT count(*) FROM audit_checkpoints"))
		assert.Len(t, r.intact("t599"), 1)
	})
}

func TestExport_IsRightWhileEventsComeAndGo(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.recordMany(1200)
		r.sequence()
		ctx, stop := context.WithCancel(t.Context())
		var work sync.WaitGroup
		work.Go(func() {
			for ctx.Err() == nil {
				r.recordMany(20)
				r.sequence()
			}
		})
		for range 5 {
			assert.GreaterOrEqual(t, len(r.intact("acme")), 1200)
		}
		stop()
		work.Wait()
	})
}

// writes counts how an export is written.
type writes struct {
	bytes, longest int
	fail           error
}

func (w *writes) Write(p []byte) (int, error) {
	w.bytes += len(p)
	w.longest = max(w.longest, len(p))
	return len(p), w.fail
}

func TestExport_HoldsLittleAndEndsWithItsReader(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.recordMany(3000)
		r.sequence()
		var out writes
		require.NoError(t, r.Export(t.Context(), "acme", audit.Range{}, &out))
		assert.Greater(t, out.bytes, 500_000)
		assert.LessOrEqual(t, out.longest, 64<<10, "sent in pieces")
		out = writes{fail: assert.AnError}
		require.ErrorIs(t, r.Export(t.Context(), "acme", audit.Range{}, &out), assert.AnError)
		assert.LessOrEqual(t, out.bytes, 64<<10)
	})
}
