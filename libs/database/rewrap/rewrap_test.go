package rewrap_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/barrierstore"
	"github.com/cryptoutil/cryptoutil/libs/database/lease"
	"github.com/cryptoutil/cryptoutil/libs/database/rewrap"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

func TestMain(m *testing.M) {
	fips.Require()
	if os.Getenv(victimVariable) != "" {
		victim()
	}
	m.Run()
}

const unsealKeyID = "test:1"

func unsealKey() []byte { return bytes.Repeat([]byte{7}, barrier.UnsealKeySize) }

// table is a source: secrets that tenants store.
type table struct {
	db *database.DB
	// slow is called before each replacement.
	slow func()
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
	if s.slow != nil {
		s.slow()
	}
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
	dbtest.Each(t, []database.Set{database.PlatformMigrations()}, func(t *testing.T, db *database.DB) {
		createTable(t, db)
		c := &clock{}
		p, err := newProcess(t.Context(), db, c.Now, "one")
		require.NoError(t, err)
		test(t, p, c)
	})
}

func createTable(t *testing.T, db *database.DB) {
	t.Helper()
	_, err := db.Exec(t.Context(), "CREATE TABLE secrets (tenant_id TEXT NOT NULL, id TEXT NOT NULL, jwe TEXT NOT NULL, PRIMARY KEY (tenant_id, id))")
	require.NoError(t, err)
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

func TestRewrap_MovesEverythingAndRetiresInTime(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p *process, c *clock) {
		const n = 250
		p.fill(t, n)
		derived, err := p.barrier.DeriveKey("label", 32)
		require.NoError(t, err)
		p.rotateAll(t)
		p.rotateAll(t)
		assert.Equal(t, n, p.old(t))
		status := p.run(t, true)
		require.Len(t, status.Sources, 3)
		assert.Equal(t, []string{"barrier/keys", "test/secrets", "barrier/retire"}, []string{status.Sources[0].Source, status.Sources[1].Source, status.Sources[2].Source})
		assert.EqualValues(t, n, status.Sources[1].Scanned)
		assert.EqualValues(t, n, status.Sources[1].Rewrapped)
		assert.Zero(t, p.old(t))
		p.readable(t, n)
		for _, level := range []barrier.Level{barrier.LevelIntermediate, barrier.LevelContent} {
			assert.Equal(t, []int64{1, 2, 3}, p.versions(t, level, "a"), "a replica may wrap under what was superseded a moment ago")
		}

		c.pass(rewrap.DefaultGrace + time.Minute)
		status = p.run(t, false)
		assert.Zero(t, status.Sources[1].Rewrapped)
		assert.Equal(t, []int64{1, 3}, p.versions(t, barrier.LevelRoot, ""), "keys are derived from the oldest")
		assert.Equal(t, []int64{3}, p.versions(t, barrier.LevelIntermediate, "a"))
		assert.Equal(t, []int64{1, 2, 3}, p.versions(t, barrier.LevelContent, "a"), "nobody asked for it")
		p.run(t, true)
		assert.Equal(t, []int64{3}, p.versions(t, barrier.LevelContent, "a"))
		assert.Equal(t, []int64{3}, p.versions(t, barrier.LevelContent, "b"))
		p.readable(t, n)

		fresh, err := newProcess(t.Context(), p.db, c.Now, "fresh")
		require.NoError(t, err)
		same, err := fresh.barrier.DeriveKey("label", 32)
		require.NoError(t, err)
		assert.Equal(t, derived, same)
		fresh.rotateAll(t)
		assert.Equal(t, []int64{3, 4}, p.versions(t, barrier.LevelContent, "a"), "versions are not used again")
	})
}

// One value that does not open must not cost the others, nor the key that it may need.
func TestRewrap_AnUnreadableValueIsCountedAndKeepsItsKey(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p *process, c *clock) {
		p.fill(t, 20)
		_, err := p.db.Exec(database.WithTenant(t.Context(), "a"), "UPDATE secrets SET jwe = (SELECT jwe FROM secrets WHERE tenant_id = 'a' AND id = '00002') WHERE tenant_id = 'a' AND id = '00004'")
		require.NoError(t, err)
		p.rotateAll(t)
		c.pass(rewrap.DefaultGrace + time.Minute)
		status := p.run(t, true)
		assert.EqualValues(t, 1, status.Sources[1].Failed)
		assert.EqualValues(t, 19, status.Sources[1].Rewrapped)
		assert.Contains(t, status.Sources[1].Failure, `id "00004"`)
		assert.Equal(t, []int64{1, 2}, p.versions(t, barrier.LevelContent, "a"))
		assert.Equal(t, []int64{1, 2}, p.versions(t, barrier.LevelContent, "b"))
	})
}

// The owner writes while values are moved: neither write is lost.
func TestRewrap_WhileOwnersWriteAndKeysRotate(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p *process, c *clock) {
		const n = 120
		p.fill(t, n)
		p.rotateAll(t)
		other, err := newProcess(t.Context(), p.db, c.Now, "two")
		require.NoError(t, err)
		var group sync.WaitGroup
		_, err = p.Start(t.Context(), true)
		require.NoError(t, err)
		for _, r := range []*process{p, other} {
			group.Go(func() { assert.NoError(t, r.Work(t.Context())) })
		}
		group.Go(func() {
			for i := range 40 {
				assert.NoError(t, other.table.insert(t.Context(), other.barrier, "a", fmt.Sprintf("%05d", n+i)))
				if i%10 == 0 {
					assert.NoError(t, other.barrier.Rotate(t.Context(), "a", barrier.LevelContent))
				}
			}
		})
		group.Wait()
		require.NoError(t, p.Work(t.Context()))
		status, err := p.Status(t.Context())
		require.NoError(t, err)
		assert.True(t, status.Finished)
		for _, source := range status.Sources {
			assert.Zero(t, source.Failed, source.Failure)
		}
		p.readable(t, n+40)
		p.run(t, false)
		require.NoError(t, p.barrier.Follow(t.Context()))
		assert.Zero(t, p.old(t))
	})
}

func TestStart_JoinsTheRunUnderWay(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p *process, c *clock) {
		p.fill(t, 2)
		var group sync.WaitGroup
		runs := make([]string, 6)
		for i := range runs {
			group.Go(func() {
				status, err := p.Start(t.Context(), false)
				assert.NoError(t, err)
				runs[i] = status.Run
			})
		}
		group.Wait()
		for _, run := range runs {
			assert.Equal(t, runs[0], run)
		}
		require.NoError(t, p.Work(t.Context()))
		status, err := p.Start(t.Context(), false)
		require.NoError(t, err)
		assert.NotEqual(t, runs[0], status.Run)
		assert.False(t, status.Finished)

		p.barrier.Seal()
		_, err = p.Start(t.Context(), false)
		require.ErrorIs(t, err, barrier.ErrSealed)
		require.NoError(t, p.Work(t.Context()), "it waits")
	})
}

func TestRun_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p *process, _ *clock) {
		p.fill(t, 3)
		p.rotateAll(t)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			p.Run(ctx)
			close(done)
		}()
		_, err := p.Start(t.Context(), false)
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			status, err := p.Status(t.Context())
			return err == nil && status.Finished
		}, 20*time.Second, 5*time.Millisecond)
		cancel()
		<-done
		assert.Zero(t, p.old(t))
	})
}

func kills() int {
	if n, err := strconv.Atoi(os.Getenv("CRYPTOUTIL_TEST_KILLS")); err == nil {
		return n
	}
	return 5
}
