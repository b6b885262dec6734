package changes_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// loader is what stands behind a cache in a service: it captures what it needs.
type loader struct {
	db    *database.DB
	cache *changes.Cache[*int]
}

func (l *loader) fact(ctx context.Context, tenant, id string) (*int, error) {
	return l.cache.Get(ctx, tenant, id, func(context.Context) (*int, error) {
		value := len(id) + len(l.db.Engine())
		return &value, nil
	})
}

func newLoader(tb testing.TB) (*loader, *changes.Follower) {
	tb.Helper()
	db := dbtest.Open(tb, dbtest.Fresh(tb, database.EngineSQLite, sets()...), sets()...)
	f := newFollower(tb, db, func(c *changes.Config) { c.Bound = time.Hour })
	l := &loader{db: db, cache: changes.NewCache[*int](f, []string{"fact"}, 10_000)}
	require.NoError(tb, f.CatchUp(tb.Context()))
	for i := range 1000 {
		_, err := l.fact(tb.Context(), "a", strconv.Itoa(i))
		require.NoError(tb, err)
	}
	return l, f
}

func TestHotPaths_DoNotAllocate(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts what others allocate
	l, f := newLoader(t)
	ctx := t.Context()
	assert.Zero(t, testing.AllocsPerRun(1000, func() { _ = f.Fresh() }))
	assert.Zero(t, testing.AllocsPerRun(1000, func() { _, _ = l.fact(ctx, "a", "77") }))
}

func BenchmarkFresh(b *testing.B) {
	_, f := newLoader(b)
	b.ReportAllocs()
	for b.Loop() {
		_ = f.Fresh()
	}
}

func BenchmarkGet(b *testing.B) {
	l, _ := newLoader(b)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		_, _ = l.fact(ctx, "a", "77")
	}
}

func BenchmarkGetParallel(b *testing.B) {
	l, _ := newLoader(b)
	ctx := b.Context()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, _ = l.fact(ctx, "a", "77")
		}
	})
}

// BenchmarkPoll is what a replica does four times a second.
func BenchmarkPoll(b *testing.B) {
	for _, engine := range dbtest.Engines() {
		b.Run(engine, func(b *testing.B) {
			db := dbtest.Open(b, dbtest.Fresh(b, engine, sets()...), sets()...)
			f := newFollower(b, db, nil)
			for b.Loop() {
				require.NoError(b, f.CatchUp(b.Context()))
			}
		})
	}
}

// BenchmarkNote is a transaction with a note, and one without for comparison.
func BenchmarkNote(b *testing.B) {
	for _, engine := range dbtest.Engines() {
		db := dbtest.Open(b, dbtest.Fresh(b, engine, sets()...), sets()...)
		change := func(ctx context.Context) error {
			_, err := db.Exec(ctx, `INSERT INTO facts (tenant_id, id, value) VALUES ('a', '1', 1)
				ON CONFLICT (tenant_id, id) DO UPDATE SET value = facts.value + 1`)
			return err
		}
		b.Run(engine+"/without", func(b *testing.B) {
			for b.Loop() {
				require.NoError(b, db.InTx(b.Context(), change))
			}
		})
		b.Run(engine+"/with", func(b *testing.B) {
			for b.Loop() {
				require.NoError(b, db.InTx(b.Context(), func(ctx context.Context) error {
					if err := change(ctx); err != nil {
						return err
					}
					return changes.Note(ctx, db, "a", "fact", "1")
				}))
			}
		})
	}
}
