package envelope_test

import (
	"bytes"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/envelope"
)

// zeros is an endless source.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// counter is a sink that keeps nothing.
type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) { c.n += int64(len(p)); return len(p), nil }

//nolint:paralleltest // it measures the memory of the whole process
func TestEncryptAndDecrypt_TakeConstantMemory(t *testing.T) {
	const size = 256 << 20
	k, in, out := newKeeper(), new(counter), new(counter)

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	reader, writer := io.Pipe()
	encrypted := make(chan error, 1)
	go func() {
		err := envelope.Encrypt(t.Context(), io.MultiWriter(writer, in), io.LimitReader(zeros{}, size), k.wrap)
		encrypted <- writer.CloseWithError(err)
	}()
	require.NoError(t, envelope.Decrypt(t.Context(), out, reader, k.unwrap))
	require.NoError(t, <-encrypted)
	runtime.ReadMemStats(&after)

	assert.EqualValues(t, size, out.n)
	assert.Greater(t, in.n, int64(size))
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(2<<20), "bytes allocated, ever, for 256 MiB in and out")
}

//nolint:paralleltest // it counts the allocations of the whole process
func TestEncryptAndDecrypt_AllocateNothingPerChunk(t *testing.T) {
	if raceDetector() {
		t.Skip("the race detector makes sync.Pool, which the random generator uses, forget at random")
	}
	k := newKeeper()
	cost := func(chunks int) (encrypting, decrypting float64) {
		file := encrypt(t, k, pattern(chunks*envelope.ChunkSize))
		plaintext := pattern(chunks * envelope.ChunkSize)
		encrypting = testing.AllocsPerRun(5, func() {
			_ = envelope.Encrypt(t.Context(), io.Discard, bytes.NewReader(plaintext), k.wrap)
		})
		decrypting = testing.AllocsPerRun(5, func() {
			_ = envelope.Decrypt(t.Context(), io.Discard, bytes.NewReader(file), k.unwrap)
		})
		return encrypting, decrypting
	}
	fewEncrypting, fewDecrypting := cost(2)
	manyEncrypting, manyDecrypting := cost(66)
	assert.InDelta(t, fewEncrypting, manyEncrypting, 3, "more than the map of the double grows")
	assert.InDelta(t, fewDecrypting, manyDecrypting, 3)
}

// raceDetector says whether this binary was built with it.
func raceDetector() bool {
	info, _ := debug.ReadBuildInfo()
	return info != nil && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

func BenchmarkEncrypt(b *testing.B) {
	const size = 64 << 20
	k := newKeeper()
	b.SetBytes(size)
	for b.Loop() {
		if err := envelope.Encrypt(b.Context(), io.Discard, io.LimitReader(zeros{}, size), k.wrap); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecrypt(b *testing.B) {
	const size = 64 << 20
	k := newKeeper()
	var file bytes.Buffer
	if err := envelope.Encrypt(b.Context(), &file, io.LimitReader(zeros{}, size), k.wrap); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(size)
	for b.Loop() {
		if err := envelope.Decrypt(b.Context(), io.Discard, bytes.NewReader(file.Bytes()), k.unwrap); err != nil {
			b.Fatal(err)
		}
	}
}
