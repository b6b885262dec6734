package database_test

import (
	"context"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// pets is a schema with the migrations of the given names. Each adds one to a counter, so that a second application shows.
func pets(names ...string) database.Set {
	files := fstest.MapFS{}
	for i, name := range names {
		text := "-- +goose Up\nUPDATE applied SET times = times + 1;\n"
		if i == 0 {
			text = "-- +goose Up\nCREATE TABLE applied (times BIGINT NOT NULL);\nINSERT INTO applied (times) VALUES (1);\n"
		}
		files["sql/"+name+".sql"] = &fstest.MapFile{Data: []byte(text)}
	}
	return database.Set{Name: "pets", FS: files}
}

// fivePets are enough migrations for two processes to meet.
func fivePets() database.Set { return pets("0001_a", "0002_b", "0003_c", "0004_d", "0005_e") }

func timesApplied(t *testing.T, db *database.DB) int {
	t.Helper()
	var n int
	require.NoError(t, db.QueryRow(t.Context(), "SELECT times FROM applied").Scan(&n))
	return n
}

func TestMigrate_AppliesWhatIsMissing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, nil, func(t *testing.T, db *database.DB) {
		pending, err := db.Pending(t.Context(), pets("0001_a", "0002_b"), accounts())
		require.NoError(t, err)
		assert.Equal(t, 3, pending)

		require.NoError(t, db.Migrate(t.Context(), pets("0001_a"), accounts()))
		pending, err = db.Pending(t.Context(), pets("0001_a", "0002_b"), accounts())
		require.NoError(t, err)
		assert.Equal(t, 1, pending)

		require.NoError(t, db.Migrate(t.Context(), pets("0001_a", "0002_b"), accounts()))
		require.NoError(t, db.Migrate(t.Context(), pets("0001_a", "0002_b"), accounts()))
		assert.Equal(t, 2, timesApplied(t, db))
	})
}

func TestMigrate_FailedMigrationLeavesNothing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, nil, func(t *testing.T, db *database.DB) {
		broken := pets("0001_a", "0002_b")
		broken.FS.(fstest.MapFS)["sql/0002_b.sql"].Data = []byte("-- +goose Up\nUPDATE applied SET times = 9;\nUPDATE nowhere SET x = 1;\n")
		require.ErrorContains(t, db.Migrate(t.Context(), broken), "0002_b.sql")
		assert.Equal(t, 1, timesApplied(t, db))
		require.NoError(t, db.Migrate(t.Context(), pets("0001_a", "0002_b")))
		assert.Equal(t, 2, timesApplied(t, db))
	})
}

func TestMigrate_ManyReplicasAtOnce(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg := dbtest.Fresh(t, engine)
			var group sync.WaitGroup
			for range 4 {
				db := dbtest.Open(t, cfg)
				group.Go(func() { assert.NoError(t, db.Migrate(t.Context(), fivePets())) })
			}
			group.Wait()
			assert.Equal(t, 5, timesApplied(t, dbtest.Open(t, cfg)))
		})
	}
}

// migrator is a process of its own that migrates the SQLite file named by its argument.
func migrator(arguments []string) error {
	ctx := context.Background()
	cfg := database.Config{Engine: database.EngineSQLite, Path: config.Path(arguments[0])}
	db, err := database.Open(ctx, cfg, quiet())
	if err != nil {
		return err
	}
	if err := db.Migrate(ctx, fivePets()); err != nil {
		return err
	}
	return db.Close()
}

func TestMigrate_ManyProcessesAtOnceOnOneFile(t *testing.T) {
	t.Parallel()
	cfg := dbtest.Fresh(t, database.EngineSQLite)
	var group sync.WaitGroup
	for range 4 {
		process := child(t, "migrator", cfg.Path.String())
		group.Go(func() { assert.NoError(t, process.Run()) })
	}
	group.Wait()
	assert.Equal(t, 5, timesApplied(t, dbtest.Open(t, cfg)))
}

func TestMigrate_ToleratesTheNextGenerationOnly(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, nil, func(t *testing.T, db *database.DB) {
		old := pets("0001_a")
		require.NoError(t, db.Migrate(t.Context(), pets("0001_a", "0002_b", "1000_c")))
		require.NoError(t, db.Migrate(t.Context(), old), "an old replica restarts during an update")
		pending, err := db.Pending(t.Context(), old)
		require.NoError(t, err)
		assert.Zero(t, pending)

		require.NoError(t, db.Migrate(t.Context(), pets("0001_a", "0002_b", "1000_c", "2000_d")))
		require.ErrorIs(t, db.Migrate(t.Context(), old), database.ErrSchemaTooNew)
		_, err = db.Pending(t.Context(), old)
		require.ErrorIs(t, err, database.ErrSchemaTooNew)
		require.NoError(t, db.Migrate(t.Context(), pets("0001_a", "0002_b", "1000_c")))
	})
}

func TestMigrate_RefusesAMalformedSet(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t, dbtest.Fresh(t, database.EngineSQLite))
	up := &fstest.MapFile{Data: []byte("-- +goose Up\nSELECT 1;\n")}
	for want, bad := range map[string]database.Set{
		"lower-case":      {Name: "Pets; DROP", FS: fstest.MapFS{"1_a.sql": up}},
		"no files":        {Name: "pets"},
		"0 folders":       {Name: "pets", FS: fstest.MapFS{}},
		"2 folders":       {Name: "pets", FS: fstest.MapFS{"a/1_a.sql": up, "b/2_b.sql": up}},
		"1a.sql":          {Name: "pets", FS: fstest.MapFS{"1a.sql": up}},
		"go forward only": {Name: "pets", FS: fstest.MapFS{"1_a.sql": {Data: []byte("-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 1;\n")}}},
		"duplicate":       {Name: "pets", FS: fstest.MapFS{"1_a.sql": up, "01_b.sql": up}},
	} {
		require.ErrorContains(t, db.Migrate(t.Context(), bad), want)
	}
}

func TestPlatformMigrations_Apply(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, []database.Set{database.PlatformMigrations()}, func(t *testing.T, db *database.DB) {
		pending, err := db.Pending(t.Context(), database.PlatformMigrations())
		require.NoError(t, err)
		assert.Zero(t, pending)
	})
}
