package config

import (
	"path/filepath"
	"strings"
)

// Path is the name of a file or folder. In a configuration file a relative one starts at the folder of that file; in the
// environment and on the command line it starts, as everywhere, at the working directory. A value that begins with a colon
// (":memory:") is a name of another kind and left alone.
type Path string

// String is the path as text.
func (p Path) String() string { return string(p) }

// under resolves a relative path that stands in a configuration file.
func (p Path) under(file string) string {
	if p == "" || strings.HasPrefix(string(p), ":") || filepath.IsAbs(string(p)) {
		return string(p)
	}
	return filepath.Join(filepath.Dir(file), string(p))
}
