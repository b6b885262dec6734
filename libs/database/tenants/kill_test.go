package tenants_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/tenants"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// purger is a process of its own that removes the tenants that are due in a month.
func purger(arguments []string) error {
	ctx := context.Background()
	cfg := database.Config{Engine: arguments[0], Path: config.Path(arguments[1]), URL: arguments[2], Owner: database.Owner{URL: arguments[3]}}
	if cfg.Engine == database.EnginePostgres {
		secret, err := config.NewSecret("file://"+arguments[4], config.Policy{})
		if err != nil {
			return err
		}
		cfg.Password, cfg.Owner.Password = secret, secret
	}
	log := slog.New(slog.DiscardHandler)
	db, err := database.Open(ctx, cfg, database.Options{Log: log})
	if err != nil {
		return err
	}
	registry, err := tenants.New(tenants.Config{DB: db, Sets: sets(), Log: log, Now: func() time.Time { return time.Now().Add(30 * 24 * time.Hour) }, Settle: time.Nanosecond})
	if err != nil {
		return err
	}
	for range 2 { // once until nothing is left, once to find that out
		if err := registry.Purge(ctx); err != nil {
			return err
		}
	}
	return db.Close()
}

func TestPurge_SurvivesKill(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	for name, cfg := range map[string]func() database.Config{
		"sqlite":   func() database.Config { return dbtest.Fresh(t, database.EngineSQLite) },
		"postgres": func() database.Config { return dbtest.TwoRoles(t) },
	} {
		cfg := cfg()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, dbtest.Open(t, cfg, sets()...), func(c *tenants.Config) { c.Now = time.Now })
			f.add(t, "acme", tenants.IsolationRow, 8000)
			f.add(t, "kept", tenants.IsolationRow, 10)
			leaving := []string{"acme"}
			if f.db.TenantSchemas() {
				f.add(t, "own", tenants.IsolationSchema, 10)
				leaving = append(leaving, "own")
			}
			for _, id := range leaving {
				_, err := f.Delete(t.Context(), id, 0)
				require.NoError(t, err)
			}
			kept, kills := rows(t, f.db, "kept"), 0
			for round := range 30 {
				process := exec.CommandContext(t.Context(), self, cfg.Engine, cfg.Path.String(), cfg.URL, cfg.Owner.URL, cfg.Password.File())
				process.Env, process.Stderr = append(os.Environ(), childVariable+"=purger"), t.Output()
				require.NoError(t, process.Start())
				wait := time.Duration(15+rand.IntN(60)) * time.Millisecond
				if round >= 10 {
					wait = time.Minute // it must come to an end now
				}
				timer := time.AfterFunc(wait, func() { _ = process.Process.Kill() })
				err := process.Wait()
				if timer.Stop() {
					require.NoError(t, err)
					break
				}
				kills++
			}
			t.Logf("killed %d times", kills)
			assert.Positive(t, kills)
			for _, id := range leaving {
				assert.Zero(t, rows(t, f.db, id))
				require.ErrorIs(t, f.Tenant(t.Context(), id), tenants.ErrNotFound)
			}
			assert.Equal(t, kept, rows(t, f.db, "kept"))
		})
	}
}
