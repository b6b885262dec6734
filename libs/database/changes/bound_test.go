package changes_test

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
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// TestCache_IsNeverOlderThanTheBound has writers on two replicas and readers on a third. What a reader gets is never older than what had been
// committed when the replica last read.
func TestCache_IsNeverOlderThanTheBound(t *testing.T) {
	t.Parallel()
	const ids, rounds = 4, 40
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			dbs := replicas(t, engine, 3)
			f := newFollower(t, dbs[2], func(c *changes.Config) { c.Interval = time.Millisecond })
			c := changes.NewCache[int64](f, []string{"fact"}, 3) // fewer than there are, so that it evicts
			run(t, f)
			load := func(id string) func(context.Context) (int64, error) {
				return func(ctx context.Context) (value int64, err error) {
					err = dbs[2].QueryRow(ctx, `SELECT coalesce(sum(value), 0) FROM facts WHERE tenant_id = 'a' AND id = $1`, id).Scan(&value)
					return value, err
				}
			}
			var committed [ids]atomic.Int64
			var writing, reading sync.WaitGroup
			for w := range 4 {
				writing.Go(func() {
					for round := range rounds {
						id := (w + round) % ids
						value, err := increment(t.Context(), dbs[w%2], strconv.Itoa(id))
						if !assert.NoError(t, err) {
							return
						}
						raise(&committed[id], value)
					}
				})
			}
			stop := make(chan struct{})
			for r := range 4 {
				reading.Go(func() {
					for n := r; ; n++ {
						select {
						case <-stop:
							return
						default:
						}
						id := n % ids
						least := committed[id].Load()
						if n%5 == 0 && f.CatchUp(t.Context()) != nil {
							continue // late on a busy machine
						} else if n%5 != 0 {
							least = 0 // any value of the last second is right
						}
						value, err := c.Get(t.Context(), "a", strconv.Itoa(id), load(strconv.Itoa(id)))
						if err == nil && !assert.GreaterOrEqual(t, value, least) {
							return
						}
					}
				})
			}
			writing.Wait()
			close(stop)
			reading.Wait()
			require.Eventually(t, func() bool {
				for id := range ids {
					value, err := c.Get(t.Context(), "a", strconv.Itoa(id), load(strconv.Itoa(id)))
					if err != nil || value != rounds {
						return false
					}
				}
				return true
			}, deadline, 10*time.Millisecond)
		})
	}
}

func increment(ctx context.Context, db *database.DB, id string) (value int64, err error) {
	err = db.InTx(ctx, func(ctx context.Context) error {
		err := db.QueryRow(ctx, `INSERT INTO facts (tenant_id, id, value) VALUES ('a', $1, 1)
			ON CONFLICT (tenant_id, id) DO UPDATE SET value = facts.value + 1 RETURNING value`, id).Scan(&value)
		if err != nil {
			return err
		}
		return changes.Note(ctx, db, "a", "fact", id)
	})
	return value, err
}

// raise sets n to value unless it is higher.
func raise(n *atomic.Int64, value int64) {
	for {
		old := n.Load()
		if old >= value || n.CompareAndSwap(old, value) {
			return
		}
	}
}
