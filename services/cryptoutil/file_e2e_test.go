//go:build e2e

package cryptoutil_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit"
)

const (
	// sizeVariable is the size of the large file in bytes. A full run takes 1073741824.
	sizeVariable = "CRYPTOUTIL_E2E_BYTES"
	defaultSize  = 256 << 20
	// maxClient bounds the client's memory for a file of any size.
	maxClient = 64 << 20
)

func TestFile_OfAnySizeSurvivesARestartInConstantMemory(t *testing.T) {
	t.Parallel()
	size := int64(setting(t, sizeVariable, defaultSize))
	folder := t.TempDir()
	plain, sealed, opened := filepath.Join(folder, "plain"), filepath.Join(folder, "sealed"), filepath.Join(folder, "opened")
	want := writeRandom(t, plain, size)
	dir := filepath.Join(t.TempDir(), "data")
	i := dev(t, dir)
	i.createKey(t, "archive", "A256GCM/A256KW")

	measure(t, i.kms("encrypt", "--key", "archive", "--in", plain, "--out", sealed), size)
	require.NoError(t, os.Remove(plain))
	i.stop(t)
	i = dev(t, dir)
	measure(t, i.kms("decrypt", "--in", sealed, "--out", opened), size)

	digest := sha256.New()
	copyFile(t, digest, opened)
	assert.Equal(t, want, digest.Sum(nil))
}

// measure runs a client command and prints what it cost.
func measure(t *testing.T, c call, size int64) {
	t.Helper()
	p := launch(t, c)
	peak := watchMemory(t, p)
	require.Zero(t, p.wait(t), p.stderr)
	elapsed := time.Since(p.begun)
	most := <-peak
	t.Logf("%s of %d MiB: %.1f s, %.0f MiB/s, peak memory %.1f MiB", c.args[1], size>>20, elapsed.Seconds(), float64(size>>20)/elapsed.Seconds(), float64(most)/(1<<20))
	assert.Positive(t, most)
	assert.Less(t, most, int64(maxClient), "peak memory in bytes")
}

// watchMemory follows the largest resident set of a process until its end. The system's own count for ended processes (ru_maxrss) is of no
// use: a child inherits that of the test, which started it.
func watchMemory(t *testing.T, p *process) (peak <-chan int64) {
	t.Helper()
	status := fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid)
	if _, err := os.Stat(status); err != nil {
		testkit.Missing(t, "no /proc, which tells what memory a process uses")
	}
	highWater := regexp.MustCompile(`VmHWM:\s+(\d+) kB`)
	result := make(chan int64, 1)
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		var most int64
		for {
			if text, err := os.ReadFile(status); err == nil {
				if found := highWater.FindSubmatch(text); found != nil {
					kilobytes, _ := strconv.ParseInt(string(found[1]), 10, 64) // digits
					most = max(most, kilobytes<<10)
				}
			}
			select {
			case <-p.ended:
				result <- most
				return
			case <-tick.C:
			}
		}
	}()
	return result
}

// writeRandom writes a file that does not compress and returns its SHA-256.
func writeRandom(t *testing.T, path string, size int64) []byte {
	t.Helper()
	file, err := os.Create(path)
	require.NoError(t, err)
	digest := sha256.New()
	_, err = io.CopyN(io.MultiWriter(file, digest), rand.NewChaCha8([32]byte{}), size)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	return digest.Sum(nil)
}

func copyFile(t *testing.T, to hash.Hash, path string) {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	_, err = io.Copy(to, file)
	require.NoError(t, err)
	require.NoError(t, file.Close())
}

// The format of encrypted files, as the documentation of libs/crypto/envelope gives it: a header line, then chunks.
const (
	piece    = 64 << 10
	overhead = 12 + 16 // nonce and tag
	chunk    = piece + overhead
)

func TestFile_ThatWasAlteredIsRefusedAndLeavesNothing(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	plain := filepath.Join(folder, "plain")
	writeRandom(t, plain, 200<<10)
	i := dev(t, filepath.Join(t.TempDir(), "data"))
	i.createKey(t, "archive", "A256GCM/A256KW")
	whole := []byte(i.run(t, "encrypt", "--key", "archive", "--in", plain))
	header := bytes.IndexByte(whole, '\n') + 1
	require.Len(t, whole, header+3*chunk+(8<<10)+overhead, "four chunks")

	original, err := os.ReadFile(plain)
	require.NoError(t, err)
	status, refused := i.decryptBytes(t, whole)
	require.Zero(t, status, refused)
	opened, err := os.ReadFile(refused)
	require.NoError(t, err)
	require.Equal(t, original, opened)

	for name, altered := range alterations(whole, header) {
		status, message := i.decryptBytes(t, altered)
		assert.Equal(t, 1, status, name)
		assert.Regexp(t, `^Error: [^\n]+\n$`, message, name)
		assert.NotContains(t, message, "panic", name)
	}
}

// decryptBytes decrypts to a file and returns the exit code, and the file's path if there is one, else the error. A file after a refusal
// fails the test.
func (i *installation) decryptBytes(t *testing.T, sealed []byte) (exit int, result string) {
	t.Helper()
	folder := t.TempDir()
	out := filepath.Join(folder, "out")
	c := i.kms("decrypt", "--out", out)
	c.stdin = bytes.NewReader(sealed)
	got := c.run(t)
	assert.Empty(t, got.stdout)
	if got.exit == 0 {
		return 0, out
	}
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Empty(t, left, "an output file was left behind")
	return got.exit, got.stderr
}

// alterations are what may happen to a file of four chunks after its header line.
func alterations(whole []byte, header int) map[string][]byte {
	altered := map[string][]byte{}
	flip := func(at int) {
		copied := bytes.Clone(whole)
		copied[at] ^= 1
		altered[fmt.Sprintf("byte %d flipped", at)] = copied
	}
	for at := 0; at < header; at += 1 + header/40 { // all over the header, its full stops included
		flip(at)
	}
	for at, c := range whole[:header] {
		if c == '.' || c == '\n' {
			flip(at)
			flip(at - 1)
		}
	}
	chunks := make([][]byte, 4)
	for n := range chunks {
		begin := header + n*chunk
		end := min(begin+chunk, len(whole))
		chunks[n] = whole[begin:end]
		for _, at := range []int{begin, begin + 11, begin + 12, (begin + end) / 2, end - 17, end - 16, end - 1} { // nonce, ciphertext, tag
			flip(at)
		}
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(append([][]byte{whole[:header]}, parts...), nil) }
	a, b, c, d := chunks[0], chunks[1], chunks[2], chunks[3]
	for name, content := range map[string][]byte{
		"a byte cut off":                 whole[:len(whole)-1],
		"the tag cut off":                whole[:len(whole)-16],
		"the last chunk cut off":         join(a, b, c),
		"all but the first chunk":        join(a),
		"cut within a chunk":             join(a, b[:1000]),
		"header only":                    join(),
		"header without its end":         whole[:header-1],
		"half a header":                  whole[:header/2],
		"nothing":                        {},
		"a byte appended":                join(a, b, c, d, []byte("x")),
		"a line feed appended":           join(a, b, c, d, []byte("\n")),
		"the last chunk twice":           join(a, b, c, d, d),
		"the whole twice":                append(bytes.Clone(whole), whole...),
		"the first two swapped":          join(b, a, c, d),
		"the middle two swapped":         join(a, c, b, d),
		"the last two swapped":           join(a, b, d, c),
		"a chunk missing":                join(a, c, d),
		"a chunk twice":                  join(a, a, b, c, d),
		"no header":                      whole[header:],
		"an empty line before":           append([]byte("\n"), whole...),
		"a header of another line end":   bytes.Replace(whole, []byte("\n"), []byte("\r\n"), 1),
		"base64 padding in the header":   bytes.Replace(whole, []byte("."), []byte("=."), 1),
		"blanks before the header's end": bytes.Replace(whole, []byte("\n"), []byte(" \n"), 1),
	} {
		altered[name] = content
	}
	return altered
}

func TestFile_InputWithoutMeaningIsRefused(t *testing.T) {
	t.Parallel()
	i := dev(t, filepath.Join(t.TempDir(), "data"))
	for _, input := range []string{"", "\n", "hello\n", "a.b.c.d.e\n", "....\n", strings.Repeat("A", 200<<10), "\x00\x01\x02", "e30.e30.e30.e30.e30"} {
		status, message := i.decryptBytes(t, []byte(input))
		assert.Equal(t, 1, status, "%.20q", input)
		assert.Regexp(t, `^Error: [^\n]+\n$`, message)
	}
}
