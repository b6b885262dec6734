package login_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
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
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// clock can be moved; otherwise it is the real one.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration // guarded by mu
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

const (
	alicePassword = "correct horse battery"
	apiToken      = "cu_at_default_ci_0000000000000000000000000000000000000000000000000"
)

// users are the users, their passwords, and the one API token.
type users struct {
	mu        sync.Mutex
	passwords map[string]string // guarded by mu; by tenant/login
	err       error             // guarded by mu; what every question gets
	addresses []netip.Addr      // guarded by mu
}

func newUsers() *users {
	return &users{passwords: map[string]string{"default/alice": alicePassword, "acme/alice": "another password", "default/mallory": "my own password"}}
}

func (u *users) fail(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.err = err
}

func principalOf(tenant, name string) *server.Principal {
	p := &server.Principal{
		Tenant: tenant, Realm: "database", Kind: server.KindUser, ID: "id-" + name, Name: strings.ToUpper(name[:1]) + name[1:] + " <b>Example</b>",
		Scopes: []string{"kms:read", "kms:encrypt"}, Roles: []string{"operator"}, Methods: []string{"pwd"},
	}
	return p
}

func wrong() error { return problem.New(problem.Unauthenticated, "wrong") }

func (u *users) Password(_ context.Context, tenant, name, password string, address netip.Addr) (*server.Principal, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.addresses = append(u.addresses, address)
	if u.err != nil {
		return nil, u.err
	}
	if want, ok := u.passwords[tenant+"/"+name]; !ok || want != password {
		return nil, wrong()
	}
	return principalOf(tenant, name), nil
}

func (u *users) ChangePassword(_ context.Context, tenant, id, old, next string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	key := tenant + "/" + strings.TrimPrefix(id, "id-")
	switch {
	case u.err != nil:
		return u.err
	case u.passwords[key] != old:
		return wrong()
	case len(next) < 15:
		return problem.New(problem.ValidationFailed, "a password has at least 15 characters")
	}
	u.passwords[key] = next
	return nil
}

func (u *users) Principal(_ context.Context, tenant, _, kind, id string) (*server.Principal, error) {
	if kind == server.KindAPIToken {
		return tokenPrincipal(), nil
	}
	return principalOf(tenant, strings.TrimPrefix(id, "id-")), nil
}

func tokenPrincipal() *server.Principal {
	return &server.Principal{
		Tenant: "default", Realm: "database", Kind: server.KindAPIToken, ID: "ci", Name: "Build", Scopes: []string{"kms:read"}, Methods: []string{"token"},
	}
}

// gate lets programs in: by the one API token, or by a session.
type gate struct{ sessions *session.Manager }

func (g gate) Authenticate(ctx context.Context, r *http.Request) (*server.Principal, error) {
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case token == apiToken:
		return tokenPrincipal(), nil
	case g.sessions.Recognizes(token):
		return g.sessions.Authenticate(ctx, r, token)
	}
	return nil, wrong()
}

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

// visitor is an HTTP client with a cookie jar that does not follow redirects by itself.
type visitor struct {
	*http.Client

	site *site
}

func (s *site) visitor() *visitor {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(s.t, err)
	cert, err := sharedMaterial()
	require.NoError(s.t, err)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: cert.RootPool(), MinVersion: tls.VersionTLS13}}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &visitor{&http.Client{
		Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, s}
}

// answer is a response that was read.
type answer struct {
	*http.Response

	body string
}

func (b *visitor) do(r *http.Request) answer {
	b.site.t.Helper()
	response, err := b.Do(r)
	require.NoError(b.site.t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	require.NoError(b.site.t, err)
	return answer{response, string(body)}
}

func (b *visitor) request(method, path string, body io.Reader) *http.Request {
	b.site.t.Helper()
	r, err := http.NewRequestWithContext(b.site.t.Context(), method, b.site.url+path, body)
	require.NoError(b.site.t, err)
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	return r
}

func (b *visitor) get(path string) answer {
	b.site.t.Helper()
	return b.do(b.request(http.MethodGet, path, nil))
}

// post sends a form as a browser does from a page of the site.
func (b *visitor) post(path string, form url.Values) answer {
	b.site.t.Helper()
	r := b.request(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", b.site.url)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(r)
}

// token is the token of the first form with that action on a page.
func (b *visitor) token(page answer, action string) string {
	b.site.t.Helper()
	found := regexp.MustCompile(`(?s)action="` + regexp.QuoteMeta(action) + `">\s*<input type="hidden" name="form_token" value="([^"]+)">`).FindStringSubmatch(page.body)
	require.NotNil(b.site.t, found, "%s in %s", action, page.body)
	return found[1]
}

// submit opens a page and posts the form on it that goes to action.
func (b *visitor) submit(page, action string, fields ...string) answer {
	b.site.t.Helper()
	form := url.Values{"form_token": {b.token(b.get(page), action)}}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return b.post(action, form)
}

// login logs in at the default tenant.
func (b *visitor) login(fields ...string) answer {
	b.site.t.Helper()
	if len(fields) == 0 {
		fields = []string{"login", "alice", "password", alicePassword}
	}
	return b.submit(login.PathLogin, login.PathLogin, fields...)
}

// session is the value of the cookie of a tenant's session, "" without one.
func (b *visitor) session(tenant string) string {
	b.site.t.Helper()
	u, err := url.Parse(b.site.url)
	require.NoError(b.site.t, err)
	for _, c := range b.Jar.Cookies(u) {
		if c.Name == "__Host-cu-kms-"+tenant {
			return c.Value
		}
	}
	return ""
}

// setSession puts a value into the cookie.
func (b *visitor) setSession(tenant, value string) {
	b.site.t.Helper()
	u, err := url.Parse(b.site.url)
	require.NoError(b.site.t, err)
	b.Jar.SetCookies(u, []*http.Cookie{{Name: "__Host-cu-kms-" + tenant, Value: value, Path: "/", Secure: true}})
}

// loggedIn tells whether the browser reaches the account page.
func (b *visitor) loggedIn() bool {
	b.site.t.Helper()
	return b.get(login.PathAccount).StatusCode == http.StatusOK
}
