package database_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// tcp is both ends of a connection.
func tcp(t *testing.T) (near, far net.Conn) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	near, err = new(net.Dialer).DialContext(t.Context(), "tcp", listener.Addr().String())
	require.NoError(t, err)
	far, err = listener.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	return near, far
}

func TestConnection_HearsNothingForTooLong(t *testing.T) {
	t.Parallel()
	near, far := tcp(t)
	told := 0
	conn := database.Impatient(near, 50*time.Millisecond, func() { told++ })
	buffer := make([]byte, 1)
	_, err := conn.Read(buffer)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	assert.Equal(t, 1, told)
	for range 3 { // each word is waited for anew
		_, err = far.Write([]byte("x"))
		require.NoError(t, err)
		_, err = conn.Read(buffer)
		require.NoError(t, err)
	}
}

// A deadline of the user's own, by which pgx interrupts a read, is neither replaced nor outlived.
func TestConnection_KeepsDeadlinesOfItsUser(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(net.Conn, time.Time) error{"both": net.Conn.SetDeadline, "read": net.Conn.SetReadDeadline} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			near, far := tcp(t)
			told := 0
			conn := database.Impatient(near, time.Millisecond, func() { told++ })
			buffer := make([]byte, 1)
			require.NoError(t, set(conn, time.Now().Add(time.Minute)))
			answered := time.AfterFunc(50*time.Millisecond, func() { _, _ = far.Write([]byte("x")) })
			defer answered.Stop()
			_, err := conn.Read(buffer)
			require.NoError(t, err, "the user is more patient")
			require.NoError(t, set(conn, time.Now().Add(-time.Second)))
			_, err = conn.Read(buffer)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			assert.Zero(t, told, "the user's impatience says nothing of the server")
			require.NoError(t, set(conn, time.Time{}))
			_, err = conn.Read(buffer)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded, "without one the connection is impatient again")
		})
	}
}

// A server that lets connections begin and says nothing is unavailable, not a fault of the service.
func TestOpen_SilentServerIsUnavailable(t *testing.T) {
	t.Parallel()
	cfg, fault := dbtest.Faulty(t, dbtest.Fresh(t, database.EnginePostgres))
	db := dbtest.Open(t, cfg)
	fault.Refuse()
	var one int
	require.Eventually(t, func() bool { // the pool has noticed, and has to connect
		return strings.Contains(fmt.Sprint(db.QueryRow(t.Context(), "SELECT 1").Scan(&one)), "failed to connect")
	}, 10*time.Second, time.Millisecond)
	fault.Silence()
	defer fault.Restore()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := db.QueryRow(ctx, "SELECT 1").Scan(&one)
	var unavailable *database.UnavailableError
	require.ErrorAs(t, err, &unavailable)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.NotErrorIs(t, err, database.ErrOutcomeUnknown)
}

// Once a server is known to be silent nobody waits for it any more; once it speaks again everything goes on.
func TestSilence_IsWaitedForByNobodyElse(t *testing.T) {
	t.Parallel()
	cfg, fault := dbtest.Faulty(t, dbtest.Fresh(t, database.EnginePostgres))
	db := dbtest.Open(t, cfg)
	var one int
	ask := func(ctx context.Context) error { return db.QueryRow(ctx, "SELECT 1").Scan(&one) }

	db.Suspect() // without a reason
	for range 100 {
		require.NoError(t, ask(t.Context()))
	}

	fault.Silence()
	defer fault.Restore()
	db.Suspect()
	asks := map[string]func(ctx context.Context) error{
		"read": ask,
		"statement": func(ctx context.Context) error {
			_, err := db.Exec(ctx, "SELECT 1")
			return err
		},
		"transaction": func(ctx context.Context) error { return db.InTx(ctx, ask) },
	}
	for name, ask := range asks {
		require.Eventually(t, func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			err := ask(ctx)
			var unavailable *database.UnavailableError
			return errors.As(err, &unavailable) && ctx.Err() == nil && strings.Contains(err.Error(), "has not answered for some time")
		}, 10*time.Second, time.Millisecond, name)
	}

	fault.Restore()
	for name, ask := range asks {
		require.Eventually(t, func() bool { return ask(t.Context()) == nil }, 10*time.Second, time.Millisecond, name)
	}
}
