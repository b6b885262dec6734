package database_test

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// postgresAt is the configuration for a server with a password.
func postgresAt(t *testing.T, url, password string) database.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(file, []byte(password+"\n"), 0o600))
	secret, err := config.NewSecret("file://"+file, config.Policy{})
	require.NoError(t, err)
	return database.Config{Engine: database.EnginePostgres, URL: url, Password: secret}
}

const longPassword = "a-password-of-many-characters"

func TestOpen_RefusesAPostgresURL(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"":                                "URL is missing",
		"postgres://u:pw@h/d":             "holds a password",
		"postgres://u@h/d?password=pw":    `parameter "password" is not accepted`,
		"postgres://u@h/d?service=other":  `parameter "service" is not accepted`,
		"postgres://u@h/d?require_auth=x": `parameter "require_auth" is not accepted`,
		"postgres://h/d":                  "names no user",
		"postgres://u@h":                  "names no database",
		"postgres://u@/d":                 "names no host",
		"mysql://u@h/d":                   "is not postgres",
		"postgres://u@h/d?sslmode=prefer": "may fall back to clear text",
		"postgres://u:p%zz@h/d":           "is not a URL",
	} {
		_, err := database.Open(t.Context(), postgresAt(t, url, longPassword), quiet())
		require.ErrorContains(t, err, want, url)
		assert.NotContains(t, err.Error(), "pw")
	}
	_, err := database.Open(t.Context(), database.Config{Engine: database.EnginePostgres, URL: "postgres://u@h/d"}, quiet())
	require.ErrorContains(t, err, "password is missing")
}

func TestOpen_RefusesAPasswordThatTheApprovedHMACCannotUse(t *testing.T) {
	t.Parallel()
	listener := listen(t, func(net.Conn) { t.Error("it connected") })
	for password, want := range map[string]string{
		"thirteen-char":          "needs at least 14",
		"pässword-of-many-bytes": "printable ASCII",
	} {
		_, err := database.Open(t.Context(), postgresAt(t, "postgres://u@"+listener+"/d?sslmode=disable", password), quiet())
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), password)
	}
}

// listen serves one goroutine per connection until the test ends.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			serve(connection)
			_ = connection.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return listener.Addr().String()
}

func TestOpen_AnswersNothingButSCRAM(t *testing.T) {
	t.Parallel()
	for name, request := range map[string][]byte{ // PostgreSQL 15 section 55.7, Authentication messages
		"clear text": {'R', 0, 0, 0, 8, 0, 0, 0, 3},
		"md5":        {'R', 0, 0, 0, 12, 0, 0, 0, 5, 1, 2, 3, 4},
		"none":       {'R', 0, 0, 0, 8, 0, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answers := make(chan []byte, 16)
			address := listen(t, func(connection net.Conn) {
				_ = connection.SetDeadline(time.Now().Add(10 * time.Second))
				startup := make([]byte, 4096)
				if _, err := connection.Read(startup); err != nil {
					t.Error(err)
				}
				_, _ = connection.Write(request)
				answer, _ := io.ReadAll(connection)
				answers <- answer
			})
			_, err := database.Open(t.Context(), postgresAt(t, "postgres://u@"+address+"/d?sslmode=disable", longPassword), quiet())
			require.ErrorContains(t, err, "auth")
			answer := <-answers
			assert.NotContains(t, string(answer), longPassword)
			assert.False(t, strings.HasPrefix(string(answer), "p"), "a password message was sent")
		})
	}
}

func TestOpen_WantsAVerifiedServerUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	cfg := dbtest.Fresh(t, database.EnginePostgres)
	cfg.URL = strings.Replace(cfg.URL, "sslmode=disable", "", 1)
	_, err := database.Open(t.Context(), cfg, quiet())
	require.ErrorContains(t, err, "server refused TLS connection")
}

func TestOpen_WrongPasswordAndNoServerAreErrors(t *testing.T) {
	t.Parallel()
	server := dbtest.Fresh(t, database.EnginePostgres)
	wrong := postgresAt(t, server.URL, longPassword)
	_, err := database.Open(t.Context(), wrong, quiet())
	require.ErrorContains(t, err, "password authentication failed")

	_, err = database.Open(t.Context(), postgresAt(t, "postgres://u@127.0.0.1:1/d?sslmode=disable", longPassword), quiet())
	var unavailable *database.UnavailableError
	require.ErrorAs(t, err, &unavailable)
}

func TestInTx_ConnectionLostAtCommit(t *testing.T) {
	t.Parallel()
	cfg := dbtest.Fresh(t, database.EnginePostgres)
	direct := dbtest.Open(t, cfg, accounts())
	faultyCfg, fault := dbtest.Faulty(t, cfg)
	db := dbtest.Open(t, faultyCfg)

	for _, step := range []struct {
		lose func()
		want int64
	}{{fault.LoseNextCommit, 100}, {fault.LoseNextAnswer, 1}} {
		step.lose()
		runs := 0
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			runs++
			return set(ctx, db, "a", 1)
		})
		require.ErrorIs(t, err, database.ErrOutcomeUnknown)
		var coded interface{ ErrorCode() string }
		require.ErrorAs(t, err, &coded)
		assert.Equal(t, "state_unavailable", coded.ErrorCode())
		assert.Equal(t, 1, runs, "it is not repeated: it may be done")
		assert.Equal(t, step.want, amount(t, t.Context(), direct, "a"))
	}
	require.NoError(t, set(t.Context(), db, "a", 5), "and it goes on with a new connection")
}

func TestExec_StatementWhoseAnswerIsLostIsNotRepeated(t *testing.T) {
	t.Parallel()
	cfg := dbtest.Fresh(t, database.EnginePostgres)
	direct := dbtest.Open(t, cfg, accounts())
	faultyCfg, fault := dbtest.Faulty(t, cfg)
	db := dbtest.Open(t, faultyCfg)
	fault.LoseNextAnswer()
	_, err := db.Exec(t.Context(), "UPDATE accounts SET amount = amount + 1 WHERE id = 'a' -- for the proxy: commit")
	require.ErrorIs(t, err, database.ErrOutcomeUnknown)
	assert.EqualValues(t, 101, amount(t, t.Context(), direct, "a"))
}

func TestInTx_ConnectionLostBeforeCommitChangesNothing(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t, dbtest.Fresh(t, database.EnginePostgres, accounts()), accounts())
	err := db.InTx(t.Context(), func(ctx context.Context) error {
		require.NoError(t, set(ctx, db, "a", 1))
		var pid int
		require.NoError(t, db.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid))
		_, err := db.Exec(t.Context(), "SELECT pg_terminate_backend($1, 5000)", pid)
		require.NoError(t, err)
		return set(ctx, db, "b", 1)
	})
	var unavailable *database.UnavailableError
	require.ErrorAs(t, err, &unavailable)
	require.NotErrorIs(t, err, database.ErrOutcomeUnknown)
	assert.EqualValues(t, 100, amount(t, t.Context(), db, "a"))
}

func TestPing_FailsWhenTheServerIsGone(t *testing.T) {
	t.Parallel()
	cfg := dbtest.Fresh(t, database.EnginePostgres)
	db := dbtest.Open(t, cfg)
	require.NoError(t, db.Ping(t.Context()))
	require.NoError(t, db.Close())
	require.Error(t, db.Ping(t.Context()))
}
