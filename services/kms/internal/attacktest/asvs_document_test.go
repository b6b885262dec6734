package attacktest_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The document about the standard names tests that exist, and every test of the standard.
func TestASVS_TheDocumentNamesTestsThatExist(t *testing.T) {
	t.Parallel()
	const repository = "../../../.."
	text, err := os.ReadFile(filepath.Join(repository, "docs", "security", "asvs.md"))
	require.NoError(t, err)
	declared := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	for _, root := range []string{"libs", "services"} {
		err := filepath.WalkDir(filepath.Join(repository, root), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			source, err := os.ReadFile(path)
			for _, found := range function.FindAllSubmatch(source, -1) {
				declared[string(found[1])] = true
			}
			return err
		})
		require.NoError(t, err)
	}
	named := map[string]bool{}
	for _, name := range regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w+`).FindAllString(string(text), -1) {
		named[name] = true
		assert.True(t, declared[name], "%s is named and is not there", name)
	}
	for name := range declared {
		if strings.HasPrefix(name, "TestASVS_") && !strings.HasPrefix(name, "TestASVS_The") {
			assert.True(t, named[name], "%s is there and is not named", name)
		}
	}
}
