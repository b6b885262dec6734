package changes_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/url"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// deadline is how long a test waits for what must happen.
const deadline = 30 * time.Second

// facts is a schema with things that change.
func facts() database.Set {
	return database.Set{Name: "facts", FS: fstest.MapFS{"0001_facts.sql": {Data: []byte(`-- +goose Up
CREATE TABLE facts (tenant_id TEXT NOT NULL, id TEXT NOT NULL, value BIGINT NOT NULL, PRIMARY KEY (tenant_id, id));
`)}}}
}

func sets() []database.Set { return []database.Set{database.PlatformMigrations(), facts()} }

// each runs test on every engine.
func each(t *testing.T, test func(t *testing.T, db *database.DB)) {
	t.Helper()
	dbtest.Each(t, sets(), test)
}

// replicas opens one new database several times, as so many processes would.
func replicas(t testing.TB, engine string, n int) []*database.DB {
	t.Helper()
	cfg := dbtest.Fresh(t, engine, sets()...)
	cfg.MaxConnections = 4
	dbs := make([]*database.DB, n)
	for i := range dbs {
		dbs[i] = dbtest.Open(t, cfg, sets()...)
	}
	return dbs
}

// clock is a clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// newFollower is a follower in whose process nobody writes: a test does in another's place, on the same database.
func newFollower(t testing.TB, db *database.DB, change func(*changes.Config)) *changes.Follower {
	t.Helper()
	cfg := changes.Config{DB: db, Log: slog.New(slog.DiscardHandler), Now: time.Now, Interval: 10 * time.Millisecond}
	if change != nil {
		change(&cfg)
	}
	f, err := changes.New(cfg)
	require.NoError(t, err)
	f.Deafen()
	return f
}

// recorder is a subscriber that remembers.
type recorder struct {
	mu    sync.Mutex
	heard []changes.Change
}

func (r *recorder) tell(c changes.Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard = append(r.heard, c)
}

// take returns what was heard since the last time.
func (r *recorder) take() []changes.Change {
	r.mu.Lock()
	defer r.mu.Unlock()
	heard := r.heard
	r.heard = nil
	return heard
}

func (r *recorder) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.heard)
}

// following is a follower that has read once, and its recorder, which has heard nothing since.
func following(t testing.TB, db *database.DB) (*changes.Follower, *recorder) {
	t.Helper()
	f, r := newFollower(t, db, func(c *changes.Config) { c.Bound = deadline }), &recorder{}
	f.Subscribe("", r.tell)
	require.NoError(t, f.CatchUp(t.Context()))
	require.Equal(t, []changes.Change{{All: true}}, r.take(), "the first read tells that anything may be different")
	return f, r
}

// run runs the follower until the test ends.
func run(t testing.TB, f *changes.Follower) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

func note(t testing.TB, db *database.DB, tenant, kind string, ids ...string) {
	t.Helper()
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
		for _, id := range ids {
			if err := changes.Note(ctx, db, tenant, kind, id); err != nil {
				return err
			}
		}
		return nil
	}))
}

func execute(t testing.TB, db *database.DB, statement string, args ...any) {
	t.Helper()
	_, err := db.Exec(t.Context(), statement, args...)
	require.NoError(t, err)
}

// relay stands between a process and its PostgreSQL server, and can be cut.
type relay struct {
	mu          sync.Mutex
	cut         bool
	connections map[net.Conn]bool
}

func newRelay(t testing.TB, cfg database.Config) (database.Config, *relay) {
	t.Helper()
	u, err := url.Parse(cfg.URL)
	require.NoError(t, err)
	server := u.Host
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	u.Host = listener.Addr().String()
	cfg.URL = u.String()
	r := &relay{connections: map[net.Conn]bool{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // the test is over
			}
			running.Go(func() { r.pass(client, server) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		r.set(true)
		running.Wait()
	})
	return cfg, r
}

// set cuts every connection and refuses new ones, or lets them through.
func (r *relay) set(cut bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = cut
	for c := range r.connections {
		if cut {
			_ = c.Close()
		}
	}
}

func (r *relay) admit(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.cut {
		r.connections[c] = true
	}
	return !r.cut
}

func (r *relay) pass(client net.Conn, address string) {
	defer func() { _ = client.Close() }()
	server, err := new(net.Dialer).DialContext(context.Background(), "tcp", address)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	if !r.admit(client) || !r.admit(server) {
		return
	}
	var answers sync.WaitGroup
	answers.Go(func() {
		_, _ = io.Copy(client, server)
		_ = client.Close()
	})
	_, _ = io.Copy(server, client)
	_ = server.Close()
	answers.Wait()
}
