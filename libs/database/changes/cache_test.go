package changes_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// cached is a cache of facts, whose follower has read once, on a new SQLite database.
func cached(t testing.TB, capacity int) (*changes.Cache[int], *changes.Follower, *database.DB) {
	t.Helper()
	db := dbtest.Open(t, dbtest.Fresh(t, database.EngineSQLite, sets()...), sets()...)
	f := newFollower(t, db, func(c *changes.Config) { c.Bound = deadline })
	c := changes.NewCache[int](f, []string{"fact", "other"}, capacity)
	require.NoError(t, f.CatchUp(t.Context()))
	return c, f, db
}

// returns is a loader.
func returns(value int) func(context.Context) (int, error) {
	return func(context.Context) (int, error) { return value, nil }
}

func get(t testing.TB, c *changes.Cache[int], tenant, id string, load func(context.Context) (int, error)) int {
	t.Helper()
	value, err := c.Get(t.Context(), tenant, id, load)
	require.NoError(t, err)
	return value
}

func TestGet_LoadsOnceUntilTheFactChanges(t *testing.T) {
	t.Parallel()
	for name, changed := range map[string]struct {
		change func(t *testing.T, db *database.DB)
		want   int
	}{
		"the fact":                 {func(t *testing.T, db *database.DB) { note(t, db, "a", "fact", "1") }, 2},
		"another kind of it":       {func(t *testing.T, db *database.DB) { note(t, db, "a", "other", "1") }, 2},
		"all of the tenant":        {func(t *testing.T, db *database.DB) { note(t, db, "a", "fact", "") }, 2},
		"anything":                 {func(t *testing.T, db *database.DB) { execute(t, db, `UPDATE change_lanes SET mark = 1`) }, 2},
		"nothing":                  {func(*testing.T, *database.DB) {}, 1},
		"another fact":             {func(t *testing.T, db *database.DB) { note(t, db, "a", "fact", "2") }, 1},
		"another tenant's":         {func(t *testing.T, db *database.DB) { note(t, db, "b", "fact", "1", "") }, 1},
		"a kind that is not asked": {func(t *testing.T, db *database.DB) { note(t, db, "a", "key", "1", "") }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, f, db := cached(t, 10)
			for _, id := range []string{"0", "1", "2"} { // neighbours, of which nothing is asked
				assert.Equal(t, 1, get(t, c, "a", id, returns(1)))
				assert.Equal(t, 1, get(t, c, "a", id, returns(9)))
			}
			changed.change(t, db)
			require.NoError(t, f.CatchUp(t.Context()))
			assert.Equal(t, changed.want, get(t, c, "a", "1", returns(2)))
			assert.Equal(t, changed.want, get(t, c, "a", "1", returns(3)))
		})
	}
}

func TestGet_AnswersNothingThatMayBeOutOfDate(t *testing.T) {
	t.Parallel()
	db, clock := dbtest.Open(t, dbtest.Fresh(t, database.EngineSQLite, sets()...), sets()...), newClock()
	f := newFollower(t, db, func(c *changes.Config) { c.Now = clock.Now })
	c := changes.NewCache[int](f, []string{"fact"}, 10)
	unavailable := func() {
		t.Helper()
		_, err := c.Get(t.Context(), "a", "1", func(context.Context) (int, error) {
			t.Error("loaded")
			return 0, nil
		})
		var stale *changes.StaleError
		require.ErrorAs(t, err, &stale)
	}
	away := func() { execute(t, db, `ALTER TABLE change_lanes RENAME TO away`) }
	back := func() { execute(t, db, `ALTER TABLE away RENAME TO change_lanes`) }
	away()
	unavailable()
	back()
	require.NoError(t, f.CatchUp(t.Context()))
	get(t, c, "a", "1", returns(1))
	away()
	assert.Equal(t, 1, get(t, c, "a", "1", returns(2)), "within a second")
	clock.advance(1001 * time.Millisecond)
	unavailable()
	back()
	require.NoError(t, f.CatchUp(t.Context()))
	assert.Equal(t, 1, get(t, c, "a", "1", returns(2)), "nothing has changed meanwhile")
	clock.advance(time.Hour)
	assert.Equal(t, 1, get(t, c, "a", "1", returns(3)), "whoever asks has the sequence read")
}

func TestGet_LoadsOneAtATime(t *testing.T) {
	t.Parallel()
	c, _, _ := cached(t, 10)
	var loads atomic.Int32
	var callers sync.WaitGroup
	for range 50 {
		callers.Go(func() {
			value, err := c.Get(t.Context(), "a", "1", func(context.Context) (int, error) { return int(loads.Add(1)), nil })
			assert.NoError(t, err)
			assert.Equal(t, 1, value)
		})
	}
	callers.Wait()
	assert.EqualValues(t, 1, loads.Load())
	assert.Equal(t, changes.Stats{Entries: 1, Loads: 1}, c.Stats())
}

func TestGet_KeepsNoErrors(t *testing.T) {
	t.Parallel()
	c, _, _ := cached(t, 10)
	absent := errors.New("absent")
	_, err := c.Get(t.Context(), "a", "1", func(context.Context) (int, error) { return 0, absent })
	require.ErrorIs(t, err, absent)
	assert.Equal(t, 2, get(t, c, "a", "1", returns(2)))
}

// slow is a load that a test holds up.
type slow struct {
	began, end chan struct{}
	value      int
}

func newSlow(value int) *slow {
	return &slow{began: make(chan struct{}), end: make(chan struct{}), value: value}
}

func (s *slow) load(context.Context) (int, error) {
	close(s.began)
	<-s.end
	return s.value, nil
}

func TestGet_DoesNotKeepWhatChangedWhileItWasLoaded(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, c *changes.Cache[int], f *changes.Follower, db *database.DB){
		"noted": func(t *testing.T, _ *changes.Cache[int], f *changes.Follower, db *database.DB) {
			note(t, db, "a", "fact", "1")
			require.NoError(t, f.CatchUp(t.Context()))
		},
		"noted for the tenant": func(t *testing.T, _ *changes.Cache[int], f *changes.Follower, db *database.DB) {
			note(t, db, "a", "fact", "")
			require.NoError(t, f.CatchUp(t.Context()))
		},
		"history lost": func(t *testing.T, _ *changes.Cache[int], f *changes.Follower, db *database.DB) {
			execute(t, db, `UPDATE change_lanes SET mark = 1`)
			require.NoError(t, f.CatchUp(t.Context()))
		},
		"forgotten": func(_ *testing.T, c *changes.Cache[int], _ *changes.Follower, _ *database.DB) { c.Forget("a", "1") },
		"cleared":   func(_ *testing.T, c *changes.Cache[int], _ *changes.Follower, _ *database.DB) { c.Clear() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, f, db := cached(t, 10)
			old := newSlow(1)
			var first sync.WaitGroup
			first.Go(func() { assert.Equal(t, 1, get(t, c, "a", "1", old.load), "the caller gets what it asked for") })
			<-old.began
			change(t, c, f, db)

			assert.Equal(t, 2, get(t, c, "a", "1", returns(2)), "a later caller does not wait for the old value")
			close(old.end)
			first.Wait()
			assert.Equal(t, 2, get(t, c, "a", "1", returns(3)), "nor does the old value take the place of the new one")
		})
	}
}

func TestGet_WaitersGoOnWhenTheOneThatLoadsGoesAway(t *testing.T) {
	t.Parallel()
	c, _, _ := cached(t, 10)
	ctx, leave := context.WithCancel(t.Context())
	began := make(chan struct{})
	var first, second sync.WaitGroup
	first.Go(func() {
		_, err := c.Get(ctx, "a", "1", func(ctx context.Context) (int, error) {
			close(began)
			<-ctx.Done()
			return 0, ctx.Err()
		})
		assert.ErrorIs(t, err, context.Canceled)
	})
	<-began
	second.Go(func() { assert.Equal(t, 2, get(t, c, "a", "1", returns(2))) })
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.Get(impatient, "a", "1", returns(3))
	require.ErrorIs(t, err, context.Canceled, "a waiter may leave as well")
	leave()
	first.Wait()
	second.Wait()
}

func TestGet_SurvivesAPanic(t *testing.T) {
	t.Parallel()
	c, _, _ := cached(t, 10)
	assert.Panics(t, func() {
		_, _ = c.Get(t.Context(), "a", "1", func(context.Context) (int, error) { panic("in the loader") })
	})
	assert.Equal(t, 2, get(t, c, "a", "1", returns(2)))
}

func TestGet_KeepsNothingFromInsideATransaction(t *testing.T) {
	t.Parallel()
	c, _, db := cached(t, 10)
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
		for want := range 2 {
			value, err := c.Get(ctx, "a", "1", returns(want))
			assert.NoError(t, err)
			assert.Equal(t, want, value)
		}
		return nil
	}))
	assert.Equal(t, 5, get(t, c, "a", "1", returns(5)))
}

func TestCache_StaysWithinItsCapacityAndKeepsWhatIsUsed(t *testing.T) {
	t.Parallel()
	c, _, _ := cached(t, 8)
	for i := range 100 {
		assert.Equal(t, 7, get(t, c, "a", "used", returns(7)))
		assert.Equal(t, i, get(t, c, "a", strconv.Itoa(i), returns(i)))
		assert.LessOrEqual(t, c.Stats().Entries, 8)
	}
	stats := c.Stats()
	assert.Equal(t, changes.Stats{Entries: 8, Loads: 101, Evictions: 93}, stats, "the one that is used was loaded once")
	c.Forget("a", "")
	assert.Zero(t, c.Stats().Entries)
	for i := range 20 { // the clock's hand may stand beyond the end of what is left
		get(t, c, "b", strconv.Itoa(i), returns(i))
		if i%3 == 0 {
			c.Forget("b", strconv.Itoa(i))
		}
	}
	assert.LessOrEqual(t, c.Stats().Entries, 8)
}
