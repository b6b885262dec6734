package wycheproof_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/wycheproof"
)

// Every file of vectors that is there is run by a test of the module, which counts each of its vectors (Tally.Finish).
func TestFiles_AreAllRun(t *testing.T) {
	t.Parallel()
	names := wycheproof.Names(t)
	require.NotEmpty(t, names)
	for _, name := range []string{"json_web_crypto_test.json", "json_web_encryption_test.json", "json_web_key_test.json", "json_web_signature_test.json"} {
		assert.Contains(t, names, name, "the vectors of JOSE")
	}
	var tests strings.Builder
	require.NoError(t, filepath.WalkDir(filepath.Join("..", ".."), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, filepath.Join("..", "..", "internal", "wycheproof")) {
			return err
		}
		text, err := os.ReadFile(path)
		tests.Write(text)
		return err
	}))
	for _, name := range names {
		assert.Contains(t, tests.String(), `"`+name+`"`, "no test runs it")
	}
}
