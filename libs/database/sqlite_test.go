package database_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

func quiet() database.Options { return database.Options{Log: slog.New(slog.DiscardHandler)} }

func sqliteFile(path ...string) database.Config {
	return database.Config{Engine: database.EngineSQLite, Path: config.Path(filepath.Join(path...))}
}

func TestOpen_CreatesFolderAndFileForTheOwnerOnly(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	cfg := sqliteFile(data, "kms ü?#%20&x", "kms.sqlite")
	db := dbtest.Open(t, cfg, accounts())
	folder, err := os.Stat(filepath.Dir(cfg.Path.String()))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), folder.Mode().Perm())
	entries, err := os.ReadDir(filepath.Dir(cfg.Path.String()))
	require.NoError(t, err)
	assert.GreaterOrEqual(t, len(entries), 3, "database, write-ahead log and its index")
	for _, entry := range entries {
		if entry.Name() == "kms.sqlite.migrating" {
			continue // empty
		}
		info, err := entry.Info()
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), entry.Name())
	}
	var foreignKeys, synchronous int
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
		require.NoError(t, db.QueryRow(ctx, "PRAGMA foreign_keys").Scan(&foreignKeys))
		return db.QueryRow(ctx, "PRAGMA synchronous").Scan(&synchronous)
	}))
	assert.Equal(t, 1, foreignKeys)
	assert.Equal(t, 2, synchronous, "FULL")
}

func TestOpen_ClosesAnExistingFileToOthers(t *testing.T) {
	t.Parallel()
	cfg := sqliteFile(t.TempDir(), "kms.sqlite")
	require.NoError(t, os.WriteFile(cfg.Path.String(), nil, 0o644))
	dbtest.Open(t, cfg)
	info, err := os.Stat(cfg.Path.String())
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestOpen_SaysWhatIsWrongWithTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	require.NoError(t, os.WriteFile(text, bytes.Repeat([]byte("These are my notes. "), 200), 0o600))
	cases := map[string]database.Config{
		"is not a SQLite database":                                    sqliteFile(text),
		"folder " + filepath.Join(dir, "missing") + " does not exist": sqliteFile(dir, "missing", "kms", "kms.sqlite"),
		"is not a regular file":                                       sqliteFile(dir),
		"create it":                                                   sqliteFile(text, "kms.sqlite"),
		"the SQLite file is missing":                                  {Engine: database.EngineSQLite},
		`unknown engine "oracle"`:                                     {Engine: "oracle"},
		"51 is out of range":                                          {Engine: database.EngineSQLite, Path: "x", MaxConnections: 51},
	}
	if runtime.GOOS == "linux" {
		cases["create its folder"] = sqliteFile("/sys/kms/kms.sqlite") // where not even root may
	}
	for want, cfg := range cases {
		_, err := database.Open(t.Context(), cfg, quiet())
		require.ErrorContains(t, err, want)
	}
	left, err := os.ReadFile(text)
	require.NoError(t, err)
	assert.True(t, bytes.HasPrefix(left, []byte("These are")), "the foreign file is as it was")
}

func TestOpen_ReadOnlyFileIsRefused(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere")
	}
	cfg := sqliteFile(t.TempDir(), "kms.sqlite")
	require.NoError(t, dbtest.Open(t, cfg, accounts()).Close())
	require.NoError(t, os.Chmod(cfg.Path.String(), 0o400))
	_, err := database.Open(t.Context(), cfg, quiet())
	require.ErrorContains(t, err, "cannot be written")
}

func TestOpen_MemoryIsAnnouncedAndWorks(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	db, err := database.Open(t.Context(), database.Config{Engine: database.EngineSQLite, Path: database.Memory},
		database.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	assert.Contains(t, log.String(), "in memory")
	require.NoError(t, db.Migrate(t.Context(), accounts()))
	require.NoError(t, set(t.Context(), db, "a", 1))
	db.SetMaxConnections(20) // would give it a second, empty database
	assert.EqualValues(t, 1, amount(t, t.Context(), db, "a"))
	assert.Len(t, db.Stats(), 1)
	assert.Equal(t, 1, db.Stats()[0].MaxOpenConnections)
}

func TestStats_NameThePools(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, nil, func(t *testing.T, db *database.DB) {
		require.NoError(t, db.Ping(t.Context()))
		db.SetMaxConnections(3)
		stats := db.Stats()
		if db.Engine() == database.EnginePostgres {
			require.Len(t, stats, 1)
			assert.Equal(t, "postgres", stats[0].Pool)
			assert.Equal(t, 3, stats[0].MaxOpenConnections)
			return
		}
		require.Len(t, stats, 2)
		assert.Equal(t, "writer", stats[0].Pool)
		assert.Equal(t, 1, stats[0].MaxOpenConnections)
		assert.Equal(t, "reader", stats[1].Pool)
		assert.Equal(t, 3, stats[1].MaxOpenConnections)
	})
}

// writer is a process of its own that writes rows and prints the number of each after it is committed, until it is killed.
func writer(arguments []string) error {
	ctx := context.Background()
	db, err := database.Open(ctx, sqliteFile(arguments[0]), quiet())
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		if err := db.InTx(ctx, func(ctx context.Context) error {
			_, err := db.Exec(ctx, "INSERT INTO accounts (id, amount, closed) VALUES ($1, $2, FALSE)", "row "+strconv.Itoa(n), n)
			return err
		}); err != nil {
			return err
		}
		if _, err := fmt.Println(n); err != nil {
			return err
		}
	}
}

func TestInTx_AcknowledgedRowsSurviveSIGKILL(t *testing.T) {
	t.Parallel()
	const rounds, rows = 3, 60
	for range rounds {
		cfg := dbtest.Fresh(t, database.EngineSQLite)
		require.NoError(t, dbtest.Open(t, cfg, accounts()).Close())
		process := child(t, "writer", cfg.Path.String())
		output, err := process.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, process.Start())
		acknowledged := -1
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			acknowledged, err = strconv.Atoi(lines.Text())
			require.NoError(t, err)
			if acknowledged == rows {
				require.NoError(t, process.Process.Kill()) // SIGKILL; what it printed before is still read
			}
		}
		_, _ = io.Copy(io.Discard, output)
		require.Error(t, process.Wait(), "it was killed")
		require.GreaterOrEqual(t, acknowledged, rows)

		db := dbtest.Open(t, cfg)
		var found int
		require.NoError(t, db.QueryRow(t.Context(), "SELECT count(*) FROM accounts WHERE id LIKE 'row %' AND amount <= $1", acknowledged).Scan(&found))
		assert.Equal(t, acknowledged+1, found, "rows 0 to %d were acknowledged", acknowledged)
		var check string
		require.NoError(t, db.QueryRow(t.Context(), "PRAGMA integrity_check").Scan(&check))
		assert.Equal(t, "ok", check)
	}
}
