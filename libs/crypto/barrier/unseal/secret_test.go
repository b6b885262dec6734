package unseal_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
)

func TestLoadOrCreateSecret_ProcessesAtOnceGetTheSame(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	file := filepath.Join(directory, "unseal.secret")
	secrets := make([][]byte, 8)
	var wg sync.WaitGroup
	for i := range secrets {
		wg.Go(func() {
			var err error
			secrets[i], err = unseal.LoadOrCreateSecret(file)
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	for _, secret := range secrets {
		assert.Len(t, secret, unseal.SecretSize)
		assert.Equal(t, secrets[0], secret)
	}
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode())
	entries, err := os.ReadDir(directory)
	require.NoError(t, err)
	assert.Len(t, entries, 1, "nothing temporary stays")

	other, err := unseal.LoadOrCreateSecret(filepath.Join(directory, "other"))
	require.NoError(t, err)
	assert.NotEqual(t, secrets[0], other)
}

func TestLoadOrCreateSecret_RefusesAnotherLengthAndNamesTheFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "unseal.secret")
	require.NoError(t, os.WriteFile(file, make([]byte, 33), 0o600))
	_, err := unseal.LoadOrCreateSecret(file)
	require.ErrorContains(t, err, file)
	_, err = unseal.LoadOrCreateSecret(filepath.Join(t.TempDir(), "missing", "unseal.secret"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
