package audit_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/database/lease"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// recorder is a program that records and numbers events until it is killed, and prints those that are durable. Its arguments are the
// engine, the database, the file of its password, the journal and a prefix for its actions.
func recorder(arguments []string) error {
	ctx := context.Background()
	cfg := database.Config{Engine: arguments[0], Path: config.Path(arguments[1]), MaxConnections: 4}
	if cfg.Engine == database.EnginePostgres {
		password, err := config.NewSecret((&url.URL{Scheme: "file", Path: arguments[2]}).String(), config.Policy{AllowGroupRead: true})
		if err != nil {
			return err
		}
		cfg.Path, cfg.URL, cfg.Password, cfg.RowSecurity = "", arguments[1], password, database.RowSecurityOff
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	db, err := database.Open(ctx, cfg, database.Options{Log: log, Application: "test"})
	if err != nil {
		return err
	}
	keys, err := openBarrier(ctx, db, time.Now)
	if err != nil {
		return err
	}
	leases, err := lease.New(lease.Config{DB: db, Owner: arguments[4], Log: log})
	if err != nil {
		return err
	}
	l, err := audit.New(audit.Config{DB: db, Barrier: keys, Lease: leases, Log: log, Now: time.Now, Service: "kms", JournalFile: arguments[3]})
	if err != nil {
		return err
	}
	if err := l.Prepare(ctx); err != nil {
		return err
	}
	failed := make(chan error, 3)
	go func() { failed <- sequenceForEver(ctx, l) }()
	go func() { failed <- recordForEver(ctx, db, l, arguments[4]) }()
	go func() { failed <- journalForEver(ctx, l, arguments[4]) }()
	return <-failed
}

func sequenceForEver(ctx context.Context, l *audit.Log) error {
	for {
		if err := errors.Join(l.TakeOver(ctx), l.Sequence(ctx, unfenced)); err != nil {
			return err
		}
	}
}

func recordForEver(ctx context.Context, db *database.DB, l *audit.Log, prefix string) error {
	for n := 0; ; n++ {
		action := fmt.Sprint(prefix, "-tx-", n)
		err := db.InTx(ctx, func(ctx context.Context) error { return l.Record(ctx, audit.Event{Tenant: "acme", Action: action}) })
		if err != nil {
			return err
		}
		fmt.Println(action)
	}
}

func journalForEver(ctx context.Context, l *audit.Log, prefix string) error {
	for n := 0; ; n++ {
		local, now := fmt.Sprint(prefix, "-local-", n), fmt.Sprint(prefix, "-now-", n)
		if err := l.RecordLocal(audit.Event{Tenant: "acme", Action: local}); err != nil {
			return err
		}
		fmt.Println(local)
		if err := l.RecordNow(ctx, audit.Event{Tenant: "acme", Action: now}); err != nil {
			return err
		}
		fmt.Println(now)
	}
}

func TestLog_SurvivesSIGKILLAtAnyPoint(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg := dbtest.Fresh(t, engine, platform()...)
			db := dbtest.Open(t, cfg, platform()...)
			journalFile := filepath.Join(t.TempDir(), "audit.journal")
			durable := map[string]bool{}
			for round := range 5 {
				location, password := cfg.Path.String(), ""
				if engine == database.EnginePostgres {
					location, password = cfg.URL, cfg.Password.File()
				}
				for _, action := range killed(t, 10+rand.IntN(60), engine, location, password, journalFile, fmt.Sprint(round)) {
					durable[action] = true
				}
			}
			r := newReplica(t, db, func(c *audit.Config) { c.JournalFile = journalFile; c.Now = time.Now })
			require.NoError(t, r.Prepare(t.Context()))
			require.NoError(t, r.TakeOver(t.Context()))
			r.sequence()
			seen := map[string]int{}
			for _, action := range actions(r.intact("acme")) {
				seen[action]++
				assert.Equal(t, 1, seen[action], action)
			}
			for action := range durable {
				assert.Equal(t, 1, seen[action], "%s was acknowledged", action)
			}
			assert.NotContains(t, r.log.String(), "damaged")
			assert.Empty(t, r.intact(audit.System))
		})
	}
}

// killed runs a recorder, kills it after it has printed n lines, and returns all that it printed.
func killed(t *testing.T, n int, arguments ...string) (printed []string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	process := exec.CommandContext(t.Context(), self, arguments...)
	process.Env = append(os.Environ(), childVariable+"=1")
	process.Stderr = t.Output()
	output, err := process.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, process.Start())
	lines := bufio.NewReader(output)
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break // a line without its end was not printed
		}
		require.NoError(t, err)
		if printed = append(printed, strings.TrimSpace(line)); len(printed) == n {
			require.NoError(t, process.Process.Kill())
		}
	}
	require.Error(t, process.Wait(), "killed")
	require.GreaterOrEqual(t, len(printed), n, "the program has failed by itself")
	return printed
}
