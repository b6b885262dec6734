package rewrap_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// victimVariable makes the test binary a process that is there to be killed; it holds a victimConfig.
const victimVariable = "CRYPTOUTIL_TEST_VICTIM"

type victimConfig struct {
	Engine, Path, URL, PasswordFile string
}

// victim works on the run under way until it is killed.
func victim() {
	ctx := context.Background()
	var v victimConfig
	err := json.Unmarshal([]byte(os.Getenv(victimVariable)), &v)
	cfg := database.Config{Engine: v.Engine, Path: config.Path(v.Path), URL: v.URL, MaxConnections: 3}
	if err == nil && v.PasswordFile != "" {
		cfg.Password, err = config.NewSecret((&url.URL{Scheme: "file", Path: v.PasswordFile}).String(), config.Policy{AllowGroupRead: true})
	}
	var db *database.DB
	if err == nil {
		db, err = database.Open(ctx, cfg, database.Options{Log: slog.New(slog.DiscardHandler), Application: "victim"})
	}
	var p *process
	if err == nil {
		p, err = newProcess(ctx, db, time.Now, fmt.Sprint("victim ", os.Getpid()))
	}
	if err == nil {
		fmt.Println("works")
		for err == nil {
			err = p.Work(ctx)
			<-time.After(10 * time.Millisecond) // the lease of the one before ends first
		}
	}
	fmt.Println("victim:", err)
	os.Exit(1)
}

func TestKill_ARunGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			const n = 600
			cfg := dbtest.Fresh(t, engine, sets()...)
			db := dbtest.Open(t, cfg, sets()...)
			p, err := newProcess(t.Context(), db, time.Now, "parent")
			require.NoError(t, err)
			p.fill(t, n)
			p.rotateAll(t)
			_, err = p.Start(t.Context(), true)
			require.NoError(t, err)
			require.NoError(t, p.barrier.Follow(t.Context()))
			text, err := json.Marshal(victimConfig{Engine: cfg.Engine, Path: cfg.Path.String(), URL: cfg.URL, PasswordFile: cfg.Password.File()})
			require.NoError(t, err)

			middles := 0
			for range kills() {
				kill(t, string(text))
				if left := p.old(t); left > 0 && left < n {
					middles++
				}
				p.readable(t, n)
				// What a dead holder leaves expires; here nobody waits for it.
				_, err = db.Exec(t.Context(), "UPDATE leases SET expires_at = 0")
				require.NoError(t, err)
			}
			t.Logf("killed in the middle %d times", middles)
			require.NoError(t, p.Work(t.Context()))
			status, err := p.Status(t.Context())
			require.NoError(t, err)
			assert.True(t, status.Finished)
			for _, source := range status.Sources {
				assert.Zero(t, source.Failed, source.Failure)
			}
			assert.Zero(t, p.old(t))
			p.readable(t, n)
		})
	}
}

func kill(t *testing.T, config string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), victimVariable+"="+config)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	begun := make([]byte, len("works\n"))
	_, err = out.Read(begun)
	require.NoError(t, err)
	require.Equal(t, "works\n", string(begun))
	timer := time.AfterFunc(time.Duration(mathrand.IntN(150_000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	_ = cmd.Wait() // it was killed
}
