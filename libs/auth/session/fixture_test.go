package session_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/session"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/barrierstore"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/database/lease"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// clock is a clock that stands still until it is moved. The change sequence has the real one.
type clock struct {
	mu  sync.Mutex
	now time.Time // guarded by mu
}

func newClock() *clock { return &clock{now: time.Now().UTC().Truncate(time.Microsecond)} }

// Now moves by a microsecond each time, so that nothing happens at the same moment.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Microsecond)
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// people are who there is.
type people struct {
	mu  sync.Mutex
	all map[string]server.Principal // guarded by mu; by tenant/kind/id
	err error                       // guarded by mu; what every question gets
}

func newPeople(list ...server.Principal) *people {
	p := &people{all: map[string]server.Principal{}}
	for _, one := range list {
		p.set(one)
	}
	return p
}

func (p *people) set(one server.Principal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all[one.Tenant+"/"+one.Kind+"/"+one.ID] = one
}

func (p *people) remove(one server.Principal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, one.Tenant+"/"+one.Kind+"/"+one.ID)
}

func (p *people) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

func (p *people) Continue(_ context.Context, _ *http.Request, was *server.Principal) (*server.Principal, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return nil, p.err
	}
	one, ok := p.all[was.Tenant+"/"+was.Kind+"/"+was.ID]
	if !ok || one.Realm != was.Realm || was.Credential != "" && was.Credential != one.Credential {
		return nil, problem.New(problem.Unauthenticated, "unknown")
	}
	return &one, nil
}

// journal records events, and fails when told to.
type journal struct {
	mu     sync.Mutex
	events []session.Event // guarded by mu
	err    error           // guarded by mu
}

func (j *journal) Record(_ context.Context, e session.Event) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil {
		j.events = append(j.events, e)
	}
	return j.err
}

func (j *journal) fail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.err = err
}

func (j *journal) actions() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []string
	for _, e := range j.events {
		out = append(out, e.Action+" "+e.Reason)
	}
	return out
}

var (
	alice = server.Principal{
		Tenant: "default", Realm: "database", Kind: server.KindUser, ID: "0190b2b3-0000-7000-8000-00000000000a", Name: "Alice",
		Scopes: []string{"kms:read", "kms:encrypt", "kms:admin"}, Roles: []string{"operator"}, Methods: []string{"pwd"},
	}
	bob = server.Principal{
		Tenant: "acme", Realm: "database", Kind: server.KindUser, ID: "0190b2b3-0000-7000-8000-00000000000b", Name: "Bob",
		Scopes: []string{"kms:read"}, Methods: []string{"pwd"},
	}
	billing = server.Principal{
		Tenant: "default", Realm: "file", Kind: server.KindClient, ID: "billing", Name: "Billing", Scopes: []string{"kms:read", "kms:encrypt"},
	}
)

// fixture is one database with what sessions stand on.
type fixture struct {
	db      *database.DB
	barrier *barrier.Barrier
	clock   *clock
	people  *people
	journal *journal
	hashes  *secrethash.Registry
}

func sets() []database.Set {
	return []database.Set{database.PlatformMigrations(), session.Migrations()}
}

func newFixture(t testing.TB, db *database.DB) fixture {
	t.Helper()
	f := fixture{db: db, clock: newClock(), people: newPeople(alice, bob, billing), journal: &journal{}}
	store, err := barrierstore.New(db)
	require.NoError(t, err)
	f.barrier, err = barrier.New(barrier.Config{Store: store, Now: f.clock.Now})
	require.NoError(t, err)
	require.NoError(t, f.barrier.Unseal(t.Context(), make([]byte, barrier.UnsealKeySize), "test"))
	set, err := secrethash.Open(secrethash.Config{Dev: true})
	require.NoError(t, err)
	f.hashes = set.Registry(secrethash.HighEntropyRandom)
	return f
}

// each runs a test on both engines.
func each(t *testing.T, test func(t *testing.T, f fixture)) {
	t.Helper()
	dbtest.Each(t, sets(), func(t *testing.T, db *database.DB) {
		t.Helper()
		test(t, newFixture(t, db))
	})
}

// eachTenancy is each, on PostgreSQL also with row-level security. Together these tests run every statement.
func eachTenancy(t *testing.T, test func(t *testing.T, f fixture)) {
	t.Helper()
	dbtest.EachTenancy(t, sets(), func(t *testing.T, db *database.DB) {
		t.Helper()
		test(t, newFixture(t, db))
	})
}

// replica is one process of the service.
type replica struct {
	*session.Manager

	follower *changes.Follower
}

// manager starts a replica whose change sequence is followed until the end of the test.
func (f fixture) manager(t testing.TB, change func(*session.Config, *session.Deps)) replica {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	follower, err := changes.New(changes.Config{DB: f.db, Log: log, Now: time.Now, Interval: 10 * time.Millisecond, Bound: 30 * time.Second})
	require.NoError(t, err)
	leases, err := lease.New(lease.Config{DB: f.db, Owner: "test", Log: log})
	require.NoError(t, err)
	cfg := session.Defaults()
	deps := session.Deps{
		DB: f.db, Changes: follower, Leases: leases, Hashes: f.hashes, Barrier: f.barrier, Principals: f.people, Recorder: f.journal,
		Service: "kms", Now: f.clock.Now, Log: log,
	}
	if change != nil {
		change(&cfg, &deps)
	}
	m, err := session.New(cfg, deps)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { assert.NoError(t, follower.Run(ctx)) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	require.Eventually(t, func() bool { return follower.Fresh() == nil }, 20*time.Second, time.Millisecond)
	return replica{m, follower}
}

// formats makes every client's sessions of one format.
func ofFormat(format session.Format) func(*session.Config, *session.Deps) {
	return func(cfg *session.Config, _ *session.Deps) { cfg.Browser.Format, cfg.Service.Format = format, format }
}

// begin begins a session of somebody who has just been authenticated.
func (f fixture) begin(t testing.TB, m replica, who server.Principal, client string) session.Issued {
	t.Helper()
	who.AuthenticatedAt = f.clock.Now()
	issued, err := m.Create(t.Context(), session.Ask{Principal: &who, Client: client, Request: request(t, "/")})
	require.NoError(t, err)
	return issued
}

func request(t testing.TB, path string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64)\x07 Test")
	return r
}

// withCookie is a browser's request with the cookie of a session.
func withCookie(t testing.TB, m replica, path string, issued ...session.Issued) *http.Request {
	t.Helper()
	r := request(t, path)
	for _, one := range issued {
		r.AddCookie(m.Cookie(one))
	}
	return r
}

func (m replica) byCookie(t testing.TB, issued session.Issued) (*server.Principal, error) {
	t.Helper()
	path := "/browser/api/v1/self"
	return m.Session(t.Context(), withCookie(t, m, path, issued))
}

func (m replica) byBearer(t testing.TB, token string) (*server.Principal, error) {
	t.Helper()
	if !m.Recognizes(token) {
		return nil, problem.New(problem.Unauthenticated, "no session")
	}
	return m.Authenticate(t.Context(), request(t, "/service/api/v1/self"), token)
}

// code is the code of an error, "" for none.
func code(err error) string {
	var coded problem.Coded
	if err == nil {
		return ""
	}
	if !errors.As(err, &coded) {
		return "internal: " + err.Error()
	}
	return coded.ErrorCode()
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}
