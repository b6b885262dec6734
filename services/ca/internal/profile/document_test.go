package profile_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/profile"
)

// The document names every key and every built-in profile.
func TestDocument_IsWhole(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "ca-profiles.md"))
	require.NoError(t, err)
	keysOf(reflect.TypeFor[profile.Profile](), "", func(path string) {
		last := path[strings.LastIndexByte(path, '.')+1:]
		assert.True(t, strings.Contains(string(text), "`"+path+"`") || strings.Contains(string(text), "`"+last+"`"), path)
	})
	set, err := profile.Load("", now)
	require.NoError(t, err)
	for _, name := range append(set.Names(), "ssh-host", "ssh-user") {
		assert.Contains(t, string(text), "`"+name+"`")
	}
}

// keysOf calls use for every key below a type.
func keysOf(of reflect.Type, path string, use func(path string)) {
	for i := range of.NumField() {
		key := of.Field(i).Tag.Get("koanf")
		if key == "" {
			continue
		}
		inner := of.Field(i).Type
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if below := path + key; inner.Kind() == reflect.Struct {
			keysOf(inner, below+".", use)
		} else {
			use(below)
		}
	}
}
