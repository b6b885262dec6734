package share_test

import (
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/server/internal/share"
)

func TestMain(m *testing.M) {
	fips.Require()
	os.Exit(m.Run())
}

func TestCounter_NeverBeyondTheLimit(t *testing.T) {
	t.Parallel()
	c := share.New[string]()
	var now, peak atomic.Int64
	var callers sync.WaitGroup
	for range 16 {
		callers.Go(func() {
			for range 500 {
				if !c.Enter("k", 3) {
					continue
				}
				n := now.Add(1)
				if p := peak.Load(); n > p {
					peak.CompareAndSwap(p, n)
				}
				now.Add(-1)
				c.Leave("k")
			}
		})
	}
	callers.Wait()
	assert.LessOrEqual(t, peak.Load(), int64(3))
	assert.True(t, c.Enter("k", 1), "all have left")
	assert.False(t, c.Enter("k", 1))
	assert.True(t, c.Enter("other", 1))
	c.Leave("k")
	assert.True(t, c.Enter("k", 1))
}
