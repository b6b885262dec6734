package journal_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/database/audit/journal"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

func open(t *testing.T, file string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(file)
	require.NoError(t, err)
	t.Cleanup(func() { _ = j.Close() }) // a test may have closed it
	return j
}

func lines(t *testing.T, j *journal.Journal, after int64, size int) []string {
	t.Helper()
	found, err := j.Lines(after, size)
	require.NoError(t, err)
	texts := []string{}
	for _, line := range found {
		texts = append(texts, string(line))
	}
	return texts
}

func TestJournal_KeepsLinesAcrossProcesses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "j")
	j := open(t, file)
	require.NoError(t, j.Append([]byte("one"), []byte("two")))
	long := strings.Repeat("x", 100_000)
	require.NoError(t, j.Append([]byte(long)))
	id, n := j.State()
	assert.Equal(t, int64(3), n)
	require.NoError(t, j.Close())
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	j = open(t, file)
	again, n := j.State()
	assert.Equal(t, id, again)
	assert.Equal(t, int64(3), n)
	assert.Equal(t, []string{"one", "two", long}, lines(t, j, 0, 1<<20))
	assert.Equal(t, []string{"one", "two"}, lines(t, j, 0, 10))
	assert.Equal(t, []string{long}, lines(t, j, 2, 10), "one at least")
	assert.Equal(t, []string{"two", long}, lines(t, j, 1, 1<<20), "backwards")
	assert.Empty(t, lines(t, j, 3, 10))
}

func TestJournal_ClearBeginsAnewUnlessMoreHasCome(t *testing.T) {
	t.Parallel()
	j := open(t, filepath.Join(t.TempDir(), "j"))
	require.NoError(t, j.Append([]byte("one")))
	id, n := j.State()
	require.NoError(t, j.Append([]byte("two")))
	require.NoError(t, j.Clear(id, n))
	assert.Equal(t, []string{"one", "two"}, lines(t, j, 0, 100))
	require.NoError(t, j.Clear(id, 2))
	next, n := j.State()
	assert.NotEqual(t, id, next)
	assert.Zero(t, n)
	require.NoError(t, j.Append([]byte("three")))
	require.NoError(t, j.Clear(id, 1), "of another journal")
	assert.Equal(t, []string{"three"}, lines(t, j, 0, 100))
}

// A crash leaves any beginning of what was written.
func TestOpen_AfterACrashAtAnyByte(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "j")
	j := open(t, file)
	require.NoError(t, j.Append([]byte("one"), []byte("two")))
	require.NoError(t, j.Append([]byte("three")))
	require.NoError(t, j.Close())
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	for n := range whole {
		require.NoError(t, os.WriteFile(file, whole[:n], 0o600))
		j := open(t, file)
		complete := max(bytes.Count(whole[:n], []byte("\n"))-1, 0)
		assert.Equal(t, []string{"one", "two", "three"}[:complete], lines(t, j, 0, 1000), "at byte %d", n)
		require.NoError(t, j.Append([]byte("after")))
		assert.Equal(t, []string{"after"}, lines(t, j, int64(complete), 1000), "at byte %d", n)
		require.NoError(t, j.Close())
	}
}

func TestOpen_RefusesWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "j")
	first := open(t, file)
	_, err := journal.Open(file)
	require.ErrorContains(t, err, "another process has it")
	require.NoError(t, first.Close())

	require.NoError(t, os.Chmod(file, 0o640))
	_, err = journal.Open(file)
	require.ErrorContains(t, err, "chmod 600")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "other"), []byte("something else\n"), 0o600))
	_, err = journal.Open(filepath.Join(dir, "other"))
	require.ErrorContains(t, err, "not a journal")
	require.NoError(t, os.Symlink(file, filepath.Join(dir, "link")))
	_, err = journal.Open(filepath.Join(dir, "link"))
	require.Error(t, err)
	_, err = journal.Open(filepath.Join(dir, "missing", "j"))
	require.Error(t, err)
}

func TestAppend_IsBounded(t *testing.T) {
	t.Parallel()
	j := open(t, filepath.Join(t.TempDir(), "j"))
	require.Error(t, j.Append([]byte("a\nb")))
	big := bytes.Repeat([]byte("x"), 8<<20)
	for range 7 {
		require.NoError(t, j.Append(big))
	}
	require.ErrorIs(t, j.Append(big), journal.ErrFull)
	require.NoError(t, j.Append([]byte("small")))
}

func TestJournal_ManyAtOnce(t *testing.T) {
	t.Parallel()
	j := open(t, filepath.Join(t.TempDir(), "j"))
	var work sync.WaitGroup
	for w := range 4 {
		work.Go(func() {
			for i := range 10 {
				assert.NoError(t, j.Append(fmt.Appendf(nil, "%d-%d", w, i)))
			}
		})
	}
	work.Wait()
	assert.Len(t, lines(t, j, 0, 1<<20), 40)
}
