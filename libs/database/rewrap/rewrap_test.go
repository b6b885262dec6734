package rewrap_test

import (
	"bytes"
	"context"
	"fmt"
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
	"github.com/cryptoutil/cryptoutil/libs/database/rewrap"
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

// Values of a table that nobody named as a source keep their keys.
func TestRewrap_AMissingSourceKeepsContentKeys(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p *process, c *clock) {
		p.fill(t, 4)
		hidden := barrier.Binding{Tenant: "a", Purpose: "test/hidden", ID: "1"}
		w, err := p.barrier.Tenant(t.Context(), "a")
		require.NoError(t, err)
		value, err := w.Wrap(hidden, []byte("hidden"))
		require.NoError(t, err)
		require.NoError(t, p.Work(t.Context()), "nothing to do, but to note what is wrapped")
		p.rotateAll(t)
		c.pass(rewrap.DefaultGrace + time.Minute)

		// Another process, which has not met the value, does the work.
		other, err := newProcess(t.Context(), p.db, c.Now, "two")
		require.NoError(t, err)
		status := other.run(t, true)
		assert.Zero(t, status.Sources[1].Failed)
		assert.EqualValues(t, 1, status.Sources[2].Failed)
		assert.Contains(t, status.Sources[2].Failure, "test/hidden")
		assert.Equal(t, []int64{1, 2}, p.versions(t, barrier.LevelContent, "a"))
		got, err := other.barrier.Unwrap(t.Context(), hidden, value)
		require.NoError(t, err)
		assert.Equal(t, "hidden", string(got))
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
	each(t, func(t *testing.T, p *process, _ *clock) {
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
	return 3
}
