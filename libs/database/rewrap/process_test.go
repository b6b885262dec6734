package rewrap_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/barrierstore"
	"github.com/cryptoutil/cryptoutil/libs/database/lease"
	"github.com/cryptoutil/cryptoutil/libs/database/rewrap"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// table is a source: secrets that tenants store.
type table struct {
	db *database.DB
}

func (s *table) Name() string { return "test/secrets" }

func place(tenant, id string) barrier.Binding {
	return barrier.Binding{Tenant: tenant, Purpose: "test/secret", ID: id}
}

func (s *table) Next(ctx context.Context, after string, limit int) ([]rewrap.Item, error) {
	rows, err := s.db.Query(database.WithTenant(ctx, database.AllTenants), "SELECT tenant_id, id, jwe FROM secrets WHERE id > $1 ORDER BY id LIMIT $2", after, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var items []rewrap.Item
	for rows.Next() {
		var tenant, id, jwe string
		if err := rows.Scan(&tenant, &id, &jwe); err != nil {
			return nil, err
		}
		items = append(items, rewrap.Item{Position: id, Binding: place(tenant, id), JWE: jwe})
	}
	return items, rows.Err()
}

func (s *table) Replace(ctx context.Context, item rewrap.Item, jwe string) (bool, error) {
	result, err := s.db.Exec(database.WithTenant(ctx, item.Binding.Tenant), "UPDATE secrets SET jwe = $1 WHERE tenant_id = $2 AND id = $3 AND jwe = $4",
		jwe, item.Binding.Tenant, item.Position, item.JWE)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

func (s *table) insert(ctx context.Context, b *barrier.Barrier, tenant, id string) error {
	w, err := b.Tenant(ctx, tenant)
	if err != nil {
		return err
	}
	jwe, err := w.Wrap(place(tenant, id), []byte("secret "+id))
	if err == nil {
		_, err = s.db.Exec(database.WithTenant(ctx, tenant), "INSERT INTO secrets (tenant_id, id, jwe) VALUES ($1, $2, $3)", tenant, id, jwe)
	}
	return err
}

// process is one replica.
type process struct {
	*rewrap.Rewrapper

	db      *database.DB
	store   *barrierstore.Store
	barrier *barrier.Barrier
	table   *table
}

func newProcess(ctx context.Context, db *database.DB, now func() time.Time, owner string) (*process, error) {
	p := &process{db: db, table: &table{db: db}}
	log := slog.New(slog.DiscardHandler)
	var err error
	if p.store, err = barrierstore.New(db); err != nil {
		return nil, err
	}
	if p.barrier, err = barrier.New(barrier.Config{Store: p.store, Now: now}); err != nil {
		return nil, err
	}
	if err := p.barrier.Unseal(ctx, unsealKey(), unsealKeyID); err != nil {
		return nil, err
	}
	leases, err := lease.New(lease.Config{DB: db, Owner: owner, Log: log})
	if err != nil {
		return nil, err
	}
	p.Rewrapper, err = rewrap.New(rewrap.Config{
		DB: db, Store: p.store, Barrier: p.barrier, Lease: leases, Now: now, Log: log, Sources: []rewrap.Source{p.table}, Rate: 1_000_000,
	})
	return p, err
}

// clock can be moved on by whole days.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

func each(t *testing.T, test func(t *testing.T, p *process, c *clock)) {
	t.Helper()
	dbtest.EachTenancy(t, sets(), func(t *testing.T, db *database.DB) {
		c := &clock{}
		p, err := newProcess(t.Context(), db, c.Now, "one")
		require.NoError(t, err)
		test(t, p, c)
	})
}

// sets are the migrations of a service with a table of secrets.
func sets() []database.Set {
	return []database.Set{database.PlatformMigrations(), {Name: "service", FS: fstest.MapFS{"0001_secrets.sql": {Data: []byte(`-- +goose Up
		CREATE TABLE secrets (tenant_id TEXT NOT NULL, id TEXT NOT NULL, jwe TEXT NOT NULL, PRIMARY KEY (tenant_id, id));`)}}}}
}

// fill stores n secrets of two tenants.
func (p *process) fill(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		require.NoError(t, p.table.insert(t.Context(), p.barrier, []string{"a", "b"}[i%2], fmt.Sprintf("%05d", i)))
	}
}

func (p *process) rotateAll(t *testing.T) {
	t.Helper()
	require.NoError(t, p.barrier.RotateRoot(t.Context(), unsealKey(), unsealKeyID))
	for _, tenant := range []string{"a", "b"} {
		require.NoError(t, p.barrier.Rotate(t.Context(), tenant, barrier.LevelIntermediate))
		require.NoError(t, p.barrier.Rotate(t.Context(), tenant, barrier.LevelContent))
	}
}

// readable checks every secret with a barrier that starts anew.
func (p *process) readable(t *testing.T, want int) {
	t.Helper()
	fresh, err := barrier.New(barrier.Config{Store: p.store, Now: time.Now})
	require.NoError(t, err)
	require.NoError(t, fresh.Unseal(t.Context(), unsealKey(), unsealKeyID))
	items, err := p.table.Next(t.Context(), "", 100_000)
	require.NoError(t, err)
	require.Len(t, items, want)
	for _, item := range items {
		got, err := fresh.Unwrap(t.Context(), item.Binding, item.JWE)
		require.NoError(t, err)
		require.Equal(t, "secret "+item.Position, string(got))
	}
}

func (p *process) old(t *testing.T) (n int) {
	t.Helper()
	items, err := p.table.Next(t.Context(), "", 100_000)
	require.NoError(t, err)
	for _, item := range items {
		if !p.barrier.Current(item.Binding.Tenant, item.JWE) {
			n++
		}
	}
	return n
}

func (p *process) versions(t *testing.T, level barrier.Level, tenant string) (versions []int64) {
	t.Helper()
	keys, err := p.barrier.Versions(t.Context(), level, tenant)
	require.NoError(t, err)
	for _, key := range keys {
		versions = append(versions, key.Version)
	}
	return versions
}

func (p *process) run(t *testing.T, retire bool) rewrap.Status {
	t.Helper()
	_, err := p.Start(t.Context(), retire)
	require.NoError(t, err)
	require.NoError(t, p.Work(t.Context()))
	status, err := p.Status(t.Context())
	require.NoError(t, err)
	assert.True(t, status.Finished)
	return status
}
