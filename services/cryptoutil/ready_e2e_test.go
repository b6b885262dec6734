//go:build e2e

package cryptoutil_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// readyLimit is where a start is a failure even on a busy machine; 3 s is the aim.
const readyLimit = 10 * time.Second

func TestDev_IsReadyAtOnceOnAFreshAndOnAUsedDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	for _, state := range []string{"made", "reused", "reused"} {
		i := dev(t, dir)
		t.Logf("ready after %s, data %s", i.ready.Round(time.Millisecond), state)
		assert.Less(t, i.ready, readyLimit, state)

		said := i.stdout.String()
		assert.Contains(t, said, "development mode, data "+state)
		for _, place := range []string{i.root(), i.file("credentials", "kms.token"), i.context(), dir} {
			assert.Contains(t, said, " "+place+"\n")
		}
		assertMode(t, i.root(), 0o600)
		assertMode(t, i.file("credentials", "kms.token"), 0o600)
		assertMode(t, i.context(), 0o600)
		assert.FileExists(t, i.file("DEV"))
		assert.Contains(t, said, "cryptoutil kms key create --name demo --algorithm A256GCM/A256KW --context "+i.context()+"\n")
		assert.Empty(t, i.stderr.String(), "nothing to warn about")

		if state == "made" {
			i.createKey(t, "kept", "A256GCM/A256KW")
		}
		assert.Contains(t, i.run(t, "key", "list"), "kept")
		assert.Equal(t, "ok\n", i.run(t, "health"), "ready is what it said")
		i.stop(t)
	}
}

func assertMode(t testing.TB, path string, mode os.FileMode) {
	t.Helper()
	info, err := os.Lstat(path)
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		assert.Equal(t, mode.String(), info.Mode().Perm().String(), path)
	}
}
