package dbtest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/database"
)

// copyTemplate makes a SQLite file with the sets applied.
func copyTemplate(t testing.TB, file string, sets []database.Set) {
	t.Helper()
	template, err := sqliteTemplate(t, sets)
	if err != nil {
		t.Fatalf("dbtest: template: %v", err)
	}
	if err := os.WriteFile(file, template, 0o600); err != nil {
		t.Fatalf("dbtest: %v", err)
	}
}

// sqliteTemplate is the content of a file with the sets applied. It is kept in the user's cache. Two processes may make the same one at once;
// either will do.
func sqliteTemplate(t testing.TB, sets []database.Set) ([]byte, error) {
	t.Helper()
	name, err := templateName(sets)
	if err != nil {
		return nil, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = t.TempDir() // nowhere to keep it
	}
	folder := filepath.Join(cache, "cryptoutil", "dbtest")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	kept := filepath.Join(folder, name+".sqlite")
	if info, err := os.Stat(kept); err == nil && time.Since(info.ModTime()) < templateLife {
		content, err := os.ReadFile(kept)
		if !errors.Is(err, fs.ErrNotExist) {
			return content, err
		}
	}
	removeStale(folder)

	work, err := os.MkdirTemp(folder, "unfinished-") //nolint:usetesting // to be renamed it has to be in the same file system
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(work) }() // what stays goes with what is stale
	made := filepath.Join(work, "made.sqlite")
	cfg := database.Config{Engine: database.EngineSQLite, Path: config.Path(made), MaxConnections: 1}
	if err := migrate(t.Context(), t, cfg, sets); err != nil {
		return nil, err
	}
	content, err := os.ReadFile(made)
	if err != nil {
		return nil, err
	}
	return content, os.Rename(made, kept)
}

// removeStale removes what no process will use or finish any more.
func removeStale(folder string) {
	entries, _ := os.ReadDir(folder)
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > templateLife {
			_ = os.RemoveAll(filepath.Join(folder, entry.Name()))
		}
	}
}
