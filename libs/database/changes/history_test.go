package changes_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
)

// TestFollower_NeverMissesAnythingWhateverTheHistory has a follower that finds its own past gone or different.
func TestFollower_NeverMissesAnythingWhateverTheHistory(t *testing.T) {
	t.Parallel()
	all := []changes.Change{{All: true}}
	ids := func(n int) []string {
		made := make([]string, n)
		for i := range made {
			made[i] = strconv.Itoa(i)
		}
		return made
	}
	for name, history := range map[string]struct {
		happens func(t *testing.T, db *database.DB)
		heard   []changes.Change
	}{
		"nothing": {func(*testing.T, *database.DB) {}, nil},
		"restored to a lower number": {func(t *testing.T, db *database.DB) {
			execute(t, db, `DELETE FROM changes WHERE lane = (SELECT max(lane) FROM changes) AND seq > 1`)
			execute(t, db, `UPDATE change_lanes SET value = 1, mark = (SELECT mark FROM changes) WHERE value > 0`)
		}, all},
		"restored, and grown to the same number": {func(t *testing.T, db *database.DB) {
			execute(t, db, `DELETE FROM changes WHERE seq > 1`)
			execute(t, db, `UPDATE change_lanes SET value = 1 WHERE value > 0`)
			note(t, db, "a", "key", "x", "y")
		}, all},
		"restored, and grown beyond": {func(t *testing.T, db *database.DB) {
			execute(t, db, `DELETE FROM changes WHERE seq > 1`)
			execute(t, db, `UPDATE change_lanes SET value = 1 WHERE value > 0`)
			note(t, db, "a", "key", "x", "y", "z")
		}, all},
		"restored to the start": {func(t *testing.T, db *database.DB) {
			execute(t, db, `DELETE FROM changes`)
			execute(t, db, `UPDATE change_lanes SET value = 0, mark = 0`)
		}, all},
		"its own place swept": {func(t *testing.T, db *database.DB) {
			note(t, db, "a", "key", "x")
			execute(t, db, `DELETE FROM changes WHERE seq <= 3`)
		}, all},
		"a gap after its place": {func(t *testing.T, db *database.DB) {
			note(t, db, "a", "key", "x", "y", "z")
			execute(t, db, `DELETE FROM changes WHERE seq = 5`)
		}, all},
		"more than it reads one by one": {func(t *testing.T, db *database.DB) { note(t, db, "a", "key", ids(1001)...) }, all},
		"as many as it reads one by one": {func(t *testing.T, db *database.DB) { note(t, db, "a", "key", ids(1000)...) }, func() []changes.Change {
			heard := make([]changes.Change, 1000)
			for i, id := range ids(1000) {
				heard[i] = changes.Change{Tenant: "a", Kind: "key", ID: id}
			}
			return heard
		}()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, db *database.DB) {
				f, r := following(t, db)
				note(t, db, "a", "key", "1", "2", "3")
				require.NoError(t, f.CatchUp(t.Context()))
				require.Len(t, r.take(), 3)

				history.happens(t, db)
				require.NoError(t, f.CatchUp(t.Context()))
				require.Equal(t, history.heard, r.take())

				note(t, db, "a", "key", "after")
				require.NoError(t, f.CatchUp(t.Context()))
				assert.Equal(t, []changes.Change{{Tenant: "a", Kind: "key", ID: "after"}}, r.take(), "it goes on from there")
			})
		})
	}
}

func TestSweep_KeepsTheYoungAndTheNewest(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		remaining := func() (n int) {
			require.NoError(t, db.QueryRow(t.Context(), `SELECT count(*) FROM changes`).Scan(&n))
			return n
		}
		for range 7 {
			ids := make([]string, 100)
			for i := range ids {
				ids[i] = strconv.Itoa(i)
			}
			note(t, db, "a", "key", ids...)
		}
		note(t, db, "b", "key", "1")
		f, r := following(t, db)
		now := time.Now()
		n, err := changes.Sweep(t.Context(), db, now)
		require.NoError(t, err)
		assert.Zero(t, n)
		n, err = changes.Sweep(t.Context(), db, now.Add(changes.Retention+time.Minute))
		require.NoError(t, err)
		assert.EqualValues(t, 600, n, "in more than one batch")
		assert.Equal(t, 101, remaining())

		note(t, db, "a", "key", "after")
		require.NoError(t, f.CatchUp(t.Context()))
		assert.Equal(t, []changes.Change{{Tenant: "a", Kind: "key", ID: "after"}}, r.take(), "a follower that was there notices nothing")
	})
}
