package issuance_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/issuance"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// table is a database for texts.
type table struct {
	mu      sync.Mutex
	rows    map[string][]string // by tenant; guarded by mu
	commits int                 // guarded by mu
	largest int                 // guarded by mu
}

var errBad = errors.New("cannot be stored")

// write stores all items, or none.
func (d *table) write(_ context.Context, tenant string, items []string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.commits++
	d.largest = max(d.largest, len(items))
	for _, item := range items {
		switch {
		case strings.HasPrefix(item, "bad"):
			return errBad
		case strings.HasPrefix(item, "panic"):
			panic(item)
		}
	}
	if d.rows == nil {
		d.rows = map[string][]string{}
	}
	d.rows[tenant] = append(d.rows[tenant], items...)
	return nil
}

func TestGroup_EachIsStoredOnceAndHearsOfItsOwnOnly(t *testing.T) {
	t.Parallel()
	var d table
	g := issuance.NewGroup(d.write)
	const callers = 500
	var done sync.WaitGroup
	for n := range callers {
		done.Go(func() {
			tenant, item := fmt.Sprintf("tenant-%d", n%3), fmt.Sprintf("good-%d", n)
			switch {
			case n%50 == 7:
				assert.ErrorIs(t, g.Do(t.Context(), tenant, fmt.Sprintf("bad-%d", n)), errBad)
			case n%50 == 9:
				assert.ErrorContains(t, g.Do(t.Context(), tenant, fmt.Sprintf("panic-%d", n)), "panicked")
			default:
				assert.NoError(t, g.Do(t.Context(), tenant, item))
			}
		})
	}
	done.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []string
	for tenant, rows := range d.rows {
		for _, row := range rows {
			var n int
			_, err := fmt.Sscanf(row, "good-%d", &n)
			require.NoError(t, err)
			assert.Equal(t, fmt.Sprintf("tenant-%d", n%3), tenant)
		}
		all = append(all, rows...)
	}
	slices.Sort(all)
	assert.Len(t, slices.Compact(all), callers-2*callers/50)
	assert.LessOrEqual(t, d.largest, issuance.MaxGroup)
	assert.True(t, g.Idle())
}

// While one transaction is under way the next one gathers: many callers need few commits.
func TestGroup_CallersShareACommit(t *testing.T) {
	t.Parallel()
	var d table
	started, release := make(chan struct{}), make(chan struct{})
	var first sync.Once
	g := issuance.NewGroup(func(ctx context.Context, tenant string, items []string) error {
		first.Do(func() { close(started); <-release })
		return d.write(ctx, tenant, items)
	})
	var done sync.WaitGroup
	done.Go(func() { assert.NoError(t, g.Do(t.Context(), "a", "first")) })
	<-started
	const others = 100
	for n := range others {
		done.Go(func() { assert.NoError(t, g.Do(t.Context(), "a", fmt.Sprint(n))) })
	}
	require.Eventually(t, func() bool { return g.Waiting("a") == others }, 10*time.Second, time.Millisecond)
	close(release)
	done.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	assert.Len(t, d.rows["a"], others+1)
	assert.Equal(t, 2, d.commits)
}

// A caller who goes away is waited for: nobody could tell him later whether it is stored.
func TestGroup_AnOutcomeIsKnownAlsoToWhoeverGivesUp(t *testing.T) {
	t.Parallel()
	var d table
	g := issuance.NewGroup(func(ctx context.Context, tenant string, items []string) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return d.write(ctx, tenant, items)
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, g.Do(ctx, "a", "x"))
	assert.Equal(t, []string{"x"}, d.rows["a"])
}
