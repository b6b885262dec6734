package database_test

import (
	"context"
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
	conn := database.Impatient(near, 50*time.Millisecond)
	buffer := make([]byte, 1)
	_, err := conn.Read(buffer)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
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
			conn := database.Impatient(near, time.Millisecond)
			buffer := make([]byte, 1)
			require.NoError(t, set(conn, time.Now().Add(time.Minute)))
			answered := time.AfterFunc(50*time.Millisecond, func() { _, _ = far.Write([]byte("x")) })
			defer answered.Stop()
			_, err := conn.Read(buffer)
			require.NoError(t, err, "the user is more patient")
			require.NoError(t, set(conn, time.Now().Add(-time.Second)))
			_, err = conn.Read(buffer)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
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
