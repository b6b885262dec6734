package login_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/cryptoutil/cryptoutil/libs/auth/login"
	"github.com/cryptoutil/cryptoutil/libs/auth/session"
	"github.com/cryptoutil/cryptoutil/libs/auth/session/exchange"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/barrierstore"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/database/idempotency"
	"github.com/cryptoutil/cryptoutil/libs/database/lease"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

const (
	alicePassword = "correct horse battery"
	apiToken      = "cu_at_default_ci_0000000000000000000000000000000000000000000000000"
)

// material is the certificate of all tests' listeners, from a hierarchy that vanishes with them.
func material() (*tlsconfig.Material, error) {
	dir, err := os.MkdirTemp("", "login-test-")
	if err != nil {
		return nil, err
	}
	m, err := tlsconfig.Open(tlsconfig.Config{Mode: tlsconfig.ModeAuto}, tlsconfig.Options{Dir: filepath.Join(dir, "tls"), Dev: true})
	return m, errors.Join(err, os.RemoveAll(dir))
}

var sharedMaterial = sync.OnceValues(material)

// site is a running service with the pages.
type site struct {
	t        testing.TB
	url      string
	users    *users
	sessions *session.Manager
	pages    *login.Pages
	clock    *clock
	log      *logBuffer
	db       *database.DB
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// each runs a test against a service on each engine.
func each(t *testing.T, test func(t *testing.T, s *site)) {
	t.Helper()
	dbtest.Each(t, []database.Set{database.PlatformMigrations(), session.Migrations()}, func(t *testing.T, db *database.DB) {
		t.Helper()
		test(t, start(t, db, newUsers(), &clock{}, ""))
	})
}

// start runs a replica of the service.
func start(t testing.TB, db *database.DB, people *users, now *clock, home string) *site {
	t.Helper()
	s := &site{t: t, users: people, clock: now, log: &logBuffer{}, db: db}
	log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cert, err := sharedMaterial()
	require.NoError(t, err)
	store, err := barrierstore.New(db)
	require.NoError(t, err)
	safe, err := barrier.New(barrier.Config{Store: store, Now: time.Now})
	require.NoError(t, err)
	require.NoError(t, safe.Unseal(t.Context(), make([]byte, barrier.UnsealKeySize), "test"))
	set, err := secrethash.Open(secrethash.Config{Dev: true})
	require.NoError(t, err)
	follower, err := changes.New(changes.Config{DB: db, Log: log, Now: time.Now, Interval: 10 * time.Millisecond, Bound: 30 * time.Second})
	require.NoError(t, err)
	leases, err := lease.New(lease.Config{DB: db, Owner: "test", Log: log})
	require.NoError(t, err)
	s.sessions, err = session.New(session.Defaults(), session.Deps{
		DB: db, Changes: follower, Leases: leases, Hashes: set.Registry(secrethash.HighEntropyRandom), Barrier: safe, Principals: people,
		Service: "kms", Now: now.Now, Log: log,
	})
	require.NoError(t, err)
	s.pages, err = login.New(login.Config{
		Sessions: s.sessions, Passwords: people, Tokens: gate{s.sessions}, Keys: safe, Title: "Key management", Home: home, Now: now.Now, Log: log,
	})
	require.NoError(t, err)
	answers, err := idempotency.New(idempotency.Config{DB: db, Barrier: safe, Now: time.Now})
	require.NoError(t, err)
	public, err := server.New(server.Defaults("127.0.0.1:0", "127.0.0.1:0"), server.Deps{
		Log: log, Tracer: tracenoop.NewTracerProvider().Tracer("test"), Meter: metricnoop.NewMeterProvider().Meter("test"),
		TLS: cert, Auth: gate{s.sessions}, DataDir: t.TempDir(), API: exchange.New(s.sessions), Product: "kms", Protocols: s.pages.Protocols(),
		Sessions: s.sessions, Idempotency: answers, Bind: database.WithTenant,
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { assert.NoError(t, follower.Run(ctx)) })
	running.Go(func() { assert.NoError(t, s.sessions.Run(ctx)) })
	running.Go(func() { assert.NoError(t, public.Run(ctx)) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	require.Eventually(t, func() bool { return follower.Fresh() == nil }, 20*time.Second, time.Millisecond)
	s.url = public.PublicURL()
	return s
}
