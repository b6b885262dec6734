package acmeapi_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/barriertest"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/ratelimit"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/acme"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/httpapi/acmeapi"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/sqlstore"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// terms is where the terms of service of the directory "terms" are.
const terms = "https://ca.example/terms"

// fixture is one installation: replicas on one database behind one address, and the network that they validate in.
type fixture struct {
	url       string // of the installation
	http      *http.Client
	root      *x509.Certificate // of its listener
	authority *authority
	network   *network
	replicas  []*replica
	clock     *clock

	next      atomic.Int64 // requests go to the replicas in turn
	badNonces atomic.Int64 // answers that refused a nonce
	requests  atomic.Int64
}

// replica is one server.
type replica struct {
	server *acme.Server
	routes http.Handler
	stop   func()
}

// options change an installation.
type options struct {
	replicas  int
	rates     map[acme.Limit]ratelimit.Rate
	tenants   []string // nil for the default one
	idle      bool     // nobody works on challenges and orders
	outside   bool     // http-01 challenges are answered by somebody else on the network's port
	retries   []time.Duration
	quick     time.Duration
	jobTime   time.Duration
	directory func(*acme.Directory)
}

// clock is the time, and can be moved ahead.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// each runs a test on an installation of two replicas on every engine.
func each(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	eachWith(t, options{replicas: 2}, test)
}

func eachWith(t *testing.T, o options, test func(t *testing.T, f *fixture)) {
	t.Helper()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			test(t, install(t, engine, o))
		})
	}
}

// directories are those of every tenant.
type directories struct {
	network *network
	change  func(*acme.Directory)
}

func (d directories) Directory(_ context.Context, _, name string) (acme.Directory, error) {
	directory := acme.Directory{
		Name: name, Profiles: []acme.Profile{{Name: "tls-server", Description: "servers"}, {Name: "short", Description: "a day"}},
		Targets: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::1/128")}, Website: "https://ca.example/", CAA: []string{"ca.example"},
	}
	switch name {
	case "main", "other":
	case "terms":
		directory.Terms = terms
	case "bound":
		directory.ExternalAccounts = true
	default:
		return acme.Directory{}, acme.ErrNotFound
	}
	if d.change != nil {
		d.change(&directory)
	}
	return directory, nil
}

// events discards what is recorded.
type events struct{}

func (events) Record(context.Context, acme.Event) error { return nil }

func install(t *testing.T, engine string, o options) *fixture {
	t.Helper()
	set, err := sqlstore.Migrations()
	require.NoError(t, err)
	sets := []database.Set{database.PlatformMigrations(), set}
	config := dbtest.Fresh(t, engine, sets...)
	f := &fixture{authority: newAuthority(t), network: newNetwork(t), clock: &clock{}}
	if o.outside {
		f.network.httpPort = freePort(t)
	}
	keys := &barriertest.Store{}
	db := dbtest.Open(t, config, sets...)
	for range max(o.replicas, 1) {
		if engine == database.EnginePostgres { // a file of SQLite has one writer
			db = dbtest.Open(t, config, sets...)
		}
		f.replicas = append(f.replicas, f.replica(t, db, keys, o))
	}
	front := httptest.NewTLSServer(http.HandlerFunc(f.serve))
	t.Cleanup(front.Close)
	f.url, f.http, f.root = front.URL, front.Client(), front.Certificate()
	f.http.Timeout = time.Minute
	return f
}

// replica starts one server.
func (f *fixture) replica(t *testing.T, db *database.DB, keys *barriertest.Store, o options) *replica {
	t.Helper()
	b, err := barrier.New(barrier.Config{Store: keys, Now: time.Now})
	require.NoError(t, err)
	require.NoError(t, b.Unseal(t.Context(), []byte(strings.Repeat("k", barrier.UnsealKeySize)), "test"))
	local, err := validation.NewLocal(validation.LocalConfig{
		Resolver: f.network, HTTPPort: f.network.httpPort, TLSPort: f.network.tlsPort, Limits: validation.Limits{Whole: 10 * time.Second, Connect: 5 * time.Second},
	})
	require.NoError(t, err)
	panel, err := validation.NewPanel(local)
	require.NoError(t, err)
	limiter, err := ratelimit.New(ratelimit.Config{DB: db, Keys: b})
	require.NoError(t, err)
	limits, err := acme.NewRates(limiter, o.rates)
	require.NoError(t, err)
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	retries := o.retries
	if retries == nil {
		retries = []time.Duration{50 * time.Millisecond}
	}
	server, err := acme.New(acme.Config{
		Store: sqlstore.New(db).ACME(), Directories: directories{f.network, o.directory}, Issuer: f.authority, Validator: panel, Barrier: b, Limits: limits,
		Events: events{}, Now: f.clock.now, Log: log, Poll: 50 * time.Millisecond, Quick: o.quick, JobTime: o.jobTime, Retries: retries,
		Tenants: func(_ context.Context, after string, _ int) ([]string, error) {
			for _, tenant := range slices.Concat(o.tenants, []string{"default"}) {
				if tenant > after {
					return []string{tenant}, nil
				}
			}
			return nil, nil
		},
	})
	require.NoError(t, err)
	routes, err := acmeapi.Protocols(acmeapi.Config{Server: server, Log: log})
	require.NoError(t, err)
	mux := chi.NewMux()
	for _, route := range routes {
		mux.Method(route.Method, route.Path, route.Handler)
		if route.Method == http.MethodGet {
			mux.Method(http.MethodHead, route.Path, route.Handler)
		}
	}
	r := &replica{server: server, routes: mux, stop: func() {}}
	if !o.idle {
		r.start(t)
	}
	return r
}

// start works on challenges and orders until the end of the test, or stop.
func (r *replica) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.server.Run(ctx)
	}()
	r.stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	t.Cleanup(r.stop)
}

// serve gives each request to the next replica.
func (f *fixture) serve(w http.ResponseWriter, r *http.Request) {
	f.requests.Add(1)
	recorder := &watcher{ResponseWriter: w, found: &f.badNonces}
	f.replicas[int(f.next.Add(1))%len(f.replicas)].routes.ServeHTTP(recorder, r)
}

// watcher counts answers that refuse a nonce.
type watcher struct {
	http.ResponseWriter

	found *atomic.Int64
}

func (w *watcher) Write(p []byte) (int, error) {
	if strings.Contains(string(p), acme.BadNonce) {
		w.found.Add(1)
	}
	return w.ResponseWriter.Write(p)
}

// directory is the URL of a directory.
func (f *fixture) directory(name string) string { return f.url + "/acme/" + name + "/directory" }

// network is where names resolve to this machine, which shows what was published.
type network struct {
	httpPort, tlsPort uint16

	mu           sync.Mutex
	texts        map[string][]string
	caa          map[string][]validation.CAA
	files        map[string]string // by path
	certificates map[string]*tls.Certificate
	asked        map[string]int // fetched files
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	n := &network{
		texts: map[string][]string{}, caa: map[string][]validation.CAA{}, files: map[string]string{}, certificates: map[string]*tls.Certificate{}, asked: map[string]int{},
	}
	files := httptest.NewServer(http.HandlerFunc(n.file))
	t.Cleanup(files.Close)
	n.httpPort = portOf(t, files.URL)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	n.tlsPort = portOf(t, "http://"+l.Addr().String())
	challenges := &http.Server{
		ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		TLSConfig:    &tls.Config{NextProtos: []string{"acme-tls/1"}, GetCertificate: n.certificate},
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){"acme-tls/1": func(*http.Server, *tls.Conn, http.Handler) {}},
	}
	go func() { _ = challenges.ServeTLS(l, "", "") }()
	t.Cleanup(func() { _ = challenges.Close() })
	return n
}

func portOf(t *testing.T, address string) uint16 {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	require.NoError(t, err)
	return uint16(port)
}

func (n *network) file(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	text, ok := n.files[r.URL.Path]
	n.asked[r.URL.Path]++
	n.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	_, _ = io.WriteString(w, text)
}

func (n *network) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.certificates[hello.ServerName], nil
}

// publish shows a file, a text or a certificate.
func (n *network) publish(change func(*network)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change(n)
}

// LookupNetIP implements validation.Resolver.
func (n *network) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
}

// LookupTXT implements validation.Resolver.
func (n *network) LookupTXT(_ context.Context, name string) ([]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if texts, ok := n.texts[name]; ok {
		return texts, nil
	}
	return nil, &validation.LookupError{Name: name, Type: "TXT", Reason: validation.LookupNoName}
}

// LookupCAA implements validation.Resolver.
func (n *network) LookupCAA(_ context.Context, name string) ([]validation.CAA, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.caa[name], nil
}
