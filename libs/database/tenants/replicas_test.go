package tenants_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/database/tenants"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// replica is a registry as a running service has it, with a clock of its follower that the test moves.
type replica struct {
	*tenants.Registry
	follower *changes.Follower
	ahead    *atomic.Int64
}

func newReplica(t *testing.T, cfg database.Config) replica {
	t.Helper()
	db := dbtest.Open(t, cfg, sets()...)
	ahead := new(atomic.Int64)
	follower, err := changes.New(changes.Config{
		DB: db, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
	})
	require.NoError(t, err)
	registry, err := tenants.New(tenants.Config{DB: db, Sets: sets(), Follower: follower, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	require.NoError(t, err)
	return replica{Registry: registry, follower: follower, ahead: ahead}
}

func eachConfig(t *testing.T, test func(t *testing.T, cfg database.Config)) {
	t.Helper()
	for name, fresh := range map[string]func(testing.TB) database.Config{
		"sqlite": func(t testing.TB) database.Config {
			t.Helper()
			return dbtest.Fresh(t, database.EngineSQLite, sets()...)
		},
		"postgres": func(t testing.TB) database.Config {
			t.Helper()
			return dbtest.Fresh(t, database.EnginePostgres, sets()...)
		},
		"postgres-row-security": func(t testing.TB) database.Config { t.Helper(); return dbtest.TwoRoles(t, sets()...) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, fresh(t))
		})
	}
}

func TestTenant_OtherReplicasHearOfEachStep(t *testing.T) {
	t.Parallel()
	eachConfig(t, func(t *testing.T, cfg database.Config) {
		ctx := t.Context()
		a, b := newReplica(t, cfg), newReplica(t, cfg)
		hear := func() {
			t.Helper()
			require.NoError(t, a.follower.CatchUp(ctx))
			require.NoError(t, b.follower.CatchUp(ctx))
		}
		hear()
		_, err := a.Create(ctx, "acme", "", tenants.IsolationRow)
		require.NoError(t, err)
		for _, step := range []struct {
			take func(context.Context, string, int64) (tenants.Tenant, error)
			want string
		}{{a.Suspend, "tenant_suspended"}, {b.Resume, ""}, {b.Delete, "tenant_suspended"}, {a.Restore, "tenant_suspended"}, {a.Resume, ""}} {
			_, err := step.take(ctx, "acme", 0)
			require.NoError(t, err)
			hear()
			for range 2 {
				assert.Equal(t, step.want, code(a.Tenant(ctx, "acme")))
				assert.Equal(t, step.want, code(b.Tenant(ctx, "acme")))
			}
		}
	})
}

func TestTenant_SchemaThatAnotherReplicaMade(t *testing.T) {
	t.Parallel()
	cfg := dbtest.TwoRoles(t, sets()...)
	dbtest.Open(t, cfg, sets()...)
	without := cfg
	without.SchemaTenants = 0
	db := dbtest.Open(t, without, sets()...)
	late := newFixture(t, db)
	_, err := newFixture(t, dbtest.Open(t, cfg, sets()...)).Create(t.Context(), "acme", "", tenants.IsolationSchema)
	require.NoError(t, err)
	require.NoError(t, late.Tenant(t.Context(), "acme"), "what a request asks first")
	require.NoError(t, fill(t.Context(), db, "acme", 3))
	var n int
	require.NoError(t, db.QueryRow(database.WithTenant(t.Context(), "acme"), "SELECT count(*) FROM tenant_acme.b_books").Scan(&n))
	assert.Equal(t, 3, n)
}

func TestCreate_SchemaInTheCallersTransactionWhenItIsPrepared(t *testing.T) {
	t.Parallel()
	f := newFixture(t, dbtest.Open(t, dbtest.TwoRoles(t, sets()...), sets()...))
	create := func() error {
		return f.db.InTx(t.Context(), func(ctx context.Context) error {
			_, err := f.Create(ctx, "acme", "", tenants.IsolationSchema)
			return err
		})
	}
	require.ErrorIs(t, create(), tenants.ErrState)
	require.NoError(t, f.Prepare(t.Context(), "acme"))
	require.NoError(t, f.Prepare(t.Context(), "acme"))
	require.ErrorIs(t, f.Tenant(t.Context(), "acme"), tenants.ErrNotFound, "nothing is created yet")
	require.NoError(t, create())
	require.NoError(t, fill(t.Context(), f.db, "acme", 2))
	require.ErrorIs(t, f.Prepare(t.Context(), "acme"), tenants.ErrExists)
}

func TestCreate_NoMoreSchemasThanAllowed(t *testing.T) {
	t.Parallel()
	cfg := dbtest.TwoRoles(t, sets()...)
	cfg.SchemaTenants = 1
	f := newFixture(t, dbtest.Open(t, cfg, sets()...))
	_, err := f.Create(t.Context(), "a", "", tenants.IsolationSchema)
	require.NoError(t, err)
	_, err = f.Create(t.Context(), "b", "", tenants.IsolationSchema)
	require.ErrorIs(t, err, tenants.ErrLimit)
	assert.Equal(t, "conflict", code(err))
}
