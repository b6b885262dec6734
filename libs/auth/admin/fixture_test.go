package admin_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/admin"
	"github.com/cryptoutil/cryptoutil/libs/auth/directory"
	"github.com/cryptoutil/cryptoutil/libs/auth/session"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/database/barrierstore"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/database/idempotency"
	"github.com/cryptoutil/cryptoutil/libs/database/tenants"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/page"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// material is the certificate of all listeners, from a hierarchy that vanishes with them.
var sharedMaterial = sync.OnceValues(func() (*tlsconfig.Material, error) {
	dir, err := os.MkdirTemp("", "admin-test-")
	if err != nil {
		return nil, err
	}
	m, err := tlsconfig.Open(tlsconfig.Config{Mode: tlsconfig.ModeAuto}, tlsconfig.Options{Dir: filepath.Join(dir, "tls"), Dev: true})
	return m, errors.Join(err, os.RemoveAll(dir))
})

// people is a Bearer: "person.<tenant>.<scope>,<scope>" is a user who has just logged in. A user of the directory is
// "user.<tenant>.<id>", whose rights are the directory's.
type people struct{ gate func() *auth.Gate }

func (people) Recognizes(token string) bool {
	return strings.HasPrefix(token, "person.") || strings.HasPrefix(token, "user.")
}

func (p people) Authenticate(ctx context.Context, _ *http.Request, token string) (*server.Principal, error) {
	parts := strings.SplitN(token, ".", 3)
	if parts[0] == "user" {
		known, err := p.gate().Principal(ctx, parts[1], directory.RealmName, server.KindUser, parts[2])
		if err != nil {
			return nil, err
		}
		who := *known
		who.AuthenticatedAt, who.Methods = time.Now(), []string{"pwd"}
		return &who, nil
	}
	return &server.Principal{
		Tenant: parts[1], Realm: "test", Kind: server.KindUser, ID: "root", AuthenticatedAt: time.Now(), Scopes: strings.Split(parts[2], ","),
	}, nil
}

// cluster is a database with some replicas of a service on it.
type cluster struct {
	t        *testing.T
	db       *database.DB
	replicas []*replica
	mu       sync.Mutex
	events   []directory.Event // guarded by mu
	ended    []string          // guarded by mu
	fail     error             // what recording fails with; guarded by mu
}

// replica is one process of the service.
type replica struct {
	*server.Server

	c        *cluster
	follower *changes.Follower
	barrier  *barrier.Barrier
	dir      *directory.Directory
	gate     *auth.Gate
	access   *auth.Access
	trail    *trail
	client   *http.Client
	hashes   *secrethash.Set
	stop     context.CancelFunc // of the follower
}

const product = "t"

// fastPasswords stands in for the registry of passwords, whose work is what makes it one: it differs in nothing else.
const fastPasswords = secrethash.HighEntropyRandom

var document = []byte(`
openapi: 3.0.3
info: {title: t, version: "1"}
security: [{bearer: []}]
paths:
  /things/{id}:
    get:
      operationId: getThing
      x-resource: thing
      x-scopes: ["t:read", "t:admin"]
      parameters: [{name: id, in: path, required: true, schema: {type: string}}]
      responses: {"200": {description: It.}}
components:
  securitySchemes:
    bearer: {type: http, scheme: bearer}
`)

func hashSet(t testing.TB) *secrethash.Set {
	t.Helper()
	set, err := secrethash.Open(secrethash.Config{Peppers: map[int][]byte{3: bytes.Repeat([]byte{7}, secrethash.MinPepper)}, Concurrency: 2})
	require.NoError(t, err)
	return set
}

func eachEngine(t *testing.T, replicas int, test func(t *testing.T, c *cluster)) {
	t.Helper()
	set, err := directory.Migrations()
	require.NoError(t, err)
	dbtest.EachTenancy(t, []database.Set{database.PlatformMigrations(), set}, func(t *testing.T, db *database.DB) {
		t.Helper()
		c := &cluster{t: t, db: db}
		for range replicas {
			c.replicas = append(c.replicas, c.start())
		}
		test(t, c)
	})
}

func (c *cluster) record(_ context.Context, e directory.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail == nil {
		c.events = append(c.events, e)
	}
	return c.fail
}

func (c *cluster) end(_ context.Context, tenant, kind, id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = append(c.ended, tenant+"/"+kind+"/"+id)
	return nil
}

// trail is an audit trail that a test puts in.
type trail struct{ atomic.Pointer[audit.Log] }

func (l *trail) List(ctx context.Context, tenant string, f audit.Filter, after int64, limit int) ([]audit.Entry, error) {
	return l.Load().List(ctx, tenant, f, after, limit)
}

func (l *trail) Export(ctx context.Context, tenant string, r audit.Range, w io.Writer) error {
	return l.Load().Export(ctx, tenant, r, w)
}

func (l *trail) CheckpointKeys(ctx context.Context) ([]byte, error) {
	return l.Load().CheckpointKeys(ctx)
}

// noSessions has none.
type noSessions struct{}

func (noSessions) List(context.Context, string, session.Filter, string, int) ([]session.Info, error) {
	return nil, nil
}
func (noSessions) Revoke(context.Context, string, string, string) error { return errNoSession }
func (noSessions) RevokeOwn(context.Context, *server.Principal, string, string) error {
	return errNoSession
}

func (noSessions) RevokeAll(context.Context, string, string, string, string, string) (int, error) {
	return 0, nil
}

var errNoSession = problem.New(problem.NotFound, "no such session")

func (c *cluster) start() *replica {
	t := c.t
	t.Helper()
	r := &replica{c: c, hashes: hashSet(t), trail: &trail{}}
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	store, err := barrierstore.New(c.db)
	require.NoError(t, err)
	r.barrier, err = barrier.New(barrier.Config{Store: store, Now: time.Now})
	require.NoError(t, err)
	require.NoError(t, r.barrier.Unseal(t.Context(), bytes.Repeat([]byte{9}, barrier.UnsealKeySize), "test"))
	r.follower, err = changes.New(changes.Config{DB: c.db, Log: log, Now: time.Now})
	require.NoError(t, err)
	r.dir, err = directory.New(directory.Config{
		DB: c.db, Barrier: r.barrier, Changes: r.follower, Secrets: r.hashes.Registry(secrethash.HighEntropyRandom),
		Passwords: r.hashes.Registry(fastPasswords), Product: product, Record: c.record, End: c.end, Now: time.Now, Log: log,
		Roles: auth.BuiltInRoles(product, []string{"t:write"}, []string{"t:use"}),
	})
	require.NoError(t, err)
	registry, err := tenants.New(tenants.Config{
		DB: c.db, Log: log, Now: time.Now,
		Notify: func(ctx context.Context, tenant, kind, id string) error {
			return changes.Note(ctx, c.db, tenant, kind, id)
		},
	})
	require.NoError(t, err)
	require.NoError(t, registry.Import(t.Context(), map[string]string{"default": "", "acme": "", "other": ""}))
	r.gate, err = auth.New(auth.Config{
		Realms: []auth.Realm{r.dir}, Bearers: []auth.Bearer{people{gate: func() *auth.Gate { return r.gate }}}, Fresh: r.follower.Fresh,
		Secrets: r.hashes.Registry(secrethash.HighEntropyRandom), Log: log, Now: time.Now,
	})
	require.NoError(t, err)
	r.access = auth.NewAccess(r.dir, time.Now)
	cursors, err := page.New(r.barrier)
	require.NoError(t, err)
	operations, err := admin.New(admin.Config{
		DB: c.db, Directory: r.dir, Sessions: noSessions{}, Tenants: registry, Audit: r.trail, Record: c.record, Cursors: cursors, Now: time.Now,
	})
	require.NoError(t, err)
	answers, err := idempotency.New(idempotency.Config{DB: c.db, Barrier: r.barrier, Now: time.Now})
	require.NoError(t, err)
	cert, err := sharedMaterial()
	require.NoError(t, err)
	cfg := server.Defaults("127.0.0.1:0", "127.0.0.1:0")
	r.Server, err = server.New(cfg, server.Deps{
		Log: log, Tracer: tracenoop.NewTracerProvider().Tracer("t"), Meter: metricnoop.NewMeterProvider().Meter("t"),
		TLS: askingTLS{cert, certificateAuthority(t).pool}, Auth: r.gate, Granted: r.access.Some,
		API: server.API{Document: document, Mount: r.mount}, Product: product, Platform: []server.API{operations.API()},
		Idempotency: answers, Bind: database.WithTenant, DataDir: t.TempDir(), Tenants: registry, Features: func(name string) bool { return name == "administration" },
	})
	require.NoError(t, err)
	r.run()
	return r
}

// run serves until the test ends.
func (r *replica) run() {
	t := r.c.t
	background, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	follow, stopFollower := context.WithCancel(background)
	r.stop = stopFollower
	var group sync.WaitGroup
	group.Go(func() { _ = r.follower.Run(follow) })
	ended := make(chan error, 1)
	group.Go(func() { ended <- r.Run(background) })
	cert, _ := sharedMaterial()
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: cert.RootPool(), MinVersion: tls.VersionTLS13}, ForceAttemptHTTP2: true,
	}
	r.client = &http.Client{Transport: transport}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		stop()
		group.Wait()
		assert.NoError(t, <-ended)
	})
	select {
	case <-r.Ready():
	case err := <-ended:
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return r.follower.Fresh() == nil }, 5*time.Second, 10*time.Millisecond)
}

// mount serves the things: whoever may read a thing gets it.
func (r *replica) mount(mux chi.Router, errs server.ErrorHandlers) {
	mux.Get("/things/{id}", func(w http.ResponseWriter, req *http.Request) {
		p, _ := server.PrincipalFrom(req.Context())
		allowed, err := r.access.Allowed(req.Context(), p, "t:read", "thing", chi.URLParam(req, "id"))
		if err == nil && !allowed {
			err = problem.New(problem.NotFound, "there is no such thing")
		}
		if err != nil {
			errs.Response(w, req, err)
			return
		}
		w.WriteHeader(http.StatusOK)
	})
}
