package database_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// killedTenants have schemas in TestSchema_SurvivesKill.
func killedTenants() []string { return []string{"a", "b-c", "d", "e"} }

// steps is a set of n slow migrations that must each be applied once: each makes a table, and counts.
func steps(n int) database.Set {
	files := fstest.MapFS{}
	for i := 1; i <= n; i++ {
		text := "-- +goose Up\n"
		if i == 1 {
			text += "CREATE TABLE applied (times BIGINT NOT NULL);\nINSERT INTO applied (times) VALUES (0);\n"
		}
		text += fmt.Sprintf("CREATE TABLE t%d (tenant_id TEXT PRIMARY KEY);\nINSERT INTO t%d (tenant_id) VALUES ('acme');\n", i, i)
		text += "SELECT pg_sleep(0.004);\nUPDATE applied SET times = times + 1;\n"
		files[fmt.Sprintf("%04d_step.sql", i)] = &fstest.MapFile{Data: []byte(text)}
	}
	return database.Set{Name: "steps", FS: files, PerTenant: true}
}

// schemaMigrator is a process of its own that makes the schemas of the tenants and migrates all of them.
func schemaMigrator(arguments []string) error {
	ctx := context.Background()
	secret, err := config.NewSecret("file://"+arguments[2], config.Policy{})
	if err != nil {
		return err
	}
	cfg := database.Config{
		Engine: database.EnginePostgres, URL: arguments[0], Password: secret, MaxConnections: 2,
		Owner: database.Owner{URL: arguments[1], Password: secret}, RowSecurity: database.RowSecurityRequire, SchemaTenants: 10,
	}
	db, err := database.Open(ctx, cfg, quiet())
	if err != nil {
		return err
	}
	for _, sets := range [][]database.Set{{database.PlatformMigrations(), steps(2)}, {database.PlatformMigrations(), steps(6)}} {
		// A schema that an earlier process has taken to the newer version is none that the older program makes.
		if pending, err := db.Pending(ctx, sets...); err != nil || pending > 0 {
			if err := db.Migrate(ctx, sets...); err != nil {
				return err
			}
		}
		for _, tenant := range killedTenants() {
			if ready, err := db.TenantSchemaReady(ctx, tenant, sets...); err == nil && ready {
				continue
			}
			if err := db.CreateTenantSchema(ctx, tenant, sets...); err != nil {
				return err
			}
		}
	}
	return db.Close()
}

func TestSchema_SurvivesKill(t *testing.T) {
	t.Parallel()
	cfg := dbtest.TwoRoles(t)
	kills := 0
	for round := range 40 {
		process := child(t, "schemas", cfg.URL, cfg.Owner.URL, cfg.Password.File())
		require.NoError(t, process.Start())
		ended := make(chan error, 1)
		go func() { ended <- process.Wait() }()
		wait := time.Duration(30+rand.IntN(250)) * time.Millisecond
		if round >= 12 {
			wait = time.Minute // it must come to an end now
		}
		timer := time.NewTimer(wait)
		var err error
		select {
		case err = <-ended:
			timer.Stop()
			require.NoError(t, err)
			wait = 0
		case <-timer.C:
			require.NoError(t, process.Process.Kill())
			require.Error(t, <-ended)
			kills++
		}
		if wait == 0 {
			break
		}
	}
	t.Logf("killed %d times", kills)
	assert.Positive(t, kills)

	sets := []database.Set{database.PlatformMigrations(), steps(6)}
	db := dbtest.Open(t, cfg, sets...)
	pending, err := db.Pending(t.Context(), sets...)
	require.NoError(t, err)
	assert.Zero(t, pending)
	for _, tenant := range killedTenants() {
		require.NoError(t, addTenant(t.Context(), db, tenant, "row"))
		_, err := db.Exec(t.Context(), "UPDATE tenants SET isolation = 'schema' WHERE id = $1", tenant)
		require.NoError(t, err)
	}
	for _, tenant := range append(killedTenants(), "shared") {
		ctx := as(t.Context(), tenant)
		var times int
		require.NoError(t, db.QueryRow(ctx, "SELECT times FROM applied").Scan(&times))
		assert.Equal(t, 6, times, tenant)
		for i := 1; i <= 6; i++ {
			result, err := db.Exec(ctx, fmt.Sprintf("UPDATE t%d SET tenant_id = $1", i), tenant)
			require.NoError(t, err, "the application has its rights")
			n, err := result.RowsAffected()
			require.NoError(t, err)
			assert.Zero(t, n, "the row belongs to another tenant, and the policy hides it")
		}
	}
}
