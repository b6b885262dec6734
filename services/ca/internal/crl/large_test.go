package crl_test

import (
	"crypto/elliptic"
	"crypto/sha256"
	"io"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/crl"
)

// million is the length of a list that must be made in less than ten seconds and 64 MiB.
const million = 1_000_000

// TestEncode_AMillionEntriesNeedLittleMemoryAndTime counts all that is ever allocated, which bounds what is in use.
func TestEncode_AMillionEntriesNeedLittleMemoryAndTime(t *testing.T) { //nolint:paralleltest // allocations are counted for the whole process
	a := newAuthority(t, newECDSA(t, elliptic.P256()))
	counter := &count{}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := processor(t)
	require.NoError(t, crl.Encode(counter, a.list(), many(million), a.signer))
	took := processor(t) - began
	runtime.ReadMemStats(&after)
	assert.Greater(t, counter.bytes, int64(40*million))
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
	assert.Less(t, took, 10*time.Second)
}

// processor is the time that this process has had of the processors, which others on the machine do not lengthen.
func processor(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

type count struct{ bytes int64 }

func (c *count) Write(p []byte) (int, error) {
	c.bytes += int64(len(p))
	return len(p), nil
}

func BenchmarkEncode_Million(b *testing.B) {
	a := newAuthority(b, newECDSA(b, elliptic.P256()))
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, crl.Encode(io.Discard, a.list(), many(million), a.signer))
	}
}

// BenchmarkEncode_MillionInMemory is what hashing alone costs, for comparison.
func BenchmarkEncode_MillionInMemory(b *testing.B) {
	piece := make([]byte, 43*1000)
	for b.Loop() {
		h := sha256.New()
		for range 1000 {
			h.Write(piece)
		}
		h.Sum(nil)
	}
}
