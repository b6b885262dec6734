package batch_test

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/server/batch"
)

func TestMain(m *testing.M) {
	fips.Require()
	os.Exit(m.Run())
}

func TestEach_KeepsOrderAndSeparatesFailures(t *testing.T) {
	t.Parallel()
	odd := errors.New("odd")
	items := make([]int, 1000)
	for i := range items {
		items[i] = i
	}
	var now, peak atomic.Int64
	outcomes := batch.Each(t.Context(), items, 4, func(_ context.Context, i int) (int, error) {
		if n := now.Add(1); n > peak.Load() {
			peak.Store(n)
		}
		defer now.Add(-1)
		switch {
		case i == 500:
			panic("canary")
		case i%2 == 1:
			return 0, odd
		default:
			return 10 * i, nil
		}
	})
	require.Len(t, outcomes, len(items))
	for i, o := range outcomes {
		switch {
		case i == 500:
			require.ErrorContains(t, o.Err, "canary")
		case i%2 == 1:
			require.ErrorIs(t, o.Err, odd)
		default:
			require.NoError(t, o.Err)
			assert.Equal(t, 10*i, o.Value)
		}
	}
	assert.LessOrEqual(t, peak.Load(), int64(4))
	assert.Empty(t, batch.Each(t.Context(), nil, 0, func(context.Context, int) (int, error) { return 0, nil }))
}

func TestEach_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var begun atomic.Int64
	outcomes := batch.Each(ctx, make([]int, 100), 1, func(context.Context, int) (int, error) {
		if begun.Add(1) == 3 {
			cancel()
		}

		return 1, nil
	})
	assert.EqualValues(t, 3, begun.Load())
	require.NoError(t, outcomes[2].Err)
	require.ErrorIs(t, outcomes[3].Err, context.Canceled)
}
