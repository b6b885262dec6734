package accesstoken_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/accesstoken"
	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/federation"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

const (
	blueIssuer = "https://id.example/t/blue"
	redIssuer  = "https://id.example/t/red"
	audience   = "https://kms.example"
	target     = "https://kms.example/service/api/v1/keys"
)

type object = map[string]any

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// identity is an authorization server on real TLS, with two tenants.
type identity struct {
	mu      sync.Mutex
	keys    map[string][]*jwk.Key                             // guarded by mu: by tenant
	away    bool                                              // guarded by mu
	answer  func(w http.ResponseWriter, tenant, token string) // guarded by mu: about a token
	fetched int                                               // guarded by mu: how often keys were asked for
	asked   int                                               // guarded by mu: how often about a token
}

func (i *identity) set(change func(*identity)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change(i)
}

func (i *identity) counts() (fetched, asked int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetched, i.asked
}

// says sets the answer about every token.
func (i *identity) says(answer object) {
	i.set(func(i *identity) {
		i.answer = func(w http.ResponseWriter, _, _ string) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(answer)
		}
	})
}

func (i *identity) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	away, answer := i.away, i.answer
	tenant := strings.Trim(strings.TrimPrefix(r.URL.Path, "/t/")[:min(4, len(strings.TrimPrefix(r.URL.Path, "/t/")))], "/")
	published := i.keys[tenant]
	question := strings.HasSuffix(r.URL.Path, "/oauth2/v1/introspect") && r.Method == http.MethodPost
	keys := strings.HasSuffix(r.URL.Path, "/.well-known/jwks.json")
	switch {
	case question:
		i.asked++
	case keys:
		i.fetched++
	}
	i.mu.Unlock()
	switch {
	case away:
		w.WriteHeader(http.StatusServiceUnavailable)
	case r.URL.Path == federation.WellKnown:
		_ = json.NewEncoder(w).Encode(federation.Announcement{Product: "identity-authz", APIs: []string{"v1"}})
	case keys && published != nil:
		w.Header().Set("Cache-Control", "max-age=60")
		_ = json.NewEncoder(w).Encode(object{"keys": published})
	case question:
		answer(w, tenant, r.PostFormValue("token"))
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func serveTLS(t testing.TB, security *tls.Config, handler http.Handler) string {
	t.Helper()
	var l net.ListenConfig
	listener, err := l.Listen(context.WithoutCancel(t.Context()), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &http.Server{
		Handler: handler, TLSConfig: security, ReadHeaderTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.ServeTLS(listener, "", "")
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return "https://" + listener.Addr().String()
}

// fixture is a service in a federation with Identity.
type fixture struct {
	*accesstoken.Verifier

	clock    *clock
	identity *identity
	peer     *federation.Peer
	blue     *jwk.Key // signs for the tenant blue of Identity
	red      *jwk.Key
}

func newFixture(t testing.TB, change func(*federation.IdentityConfig, *accesstoken.Deps)) *fixture {
	t.Helper()
	f := &fixture{clock: &clock{now: time.Now().Truncate(time.Second)}, blue: newKey(t, "ES256", "blue-1"), red: newKey(t, "ES256", "red-1")}
	f.identity = &identity{keys: map[string][]*jwk.Key{"blue": {f.blue}, "red": {f.red}}}
	f.identity.says(object{"active": false})
	material, err := tlsconfig.Open(tlsconfig.Config{Mode: tlsconfig.ModeAuto}, tlsconfig.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	c := federation.IdentityConfig{
		AuthzURL: serveTLS(t, material.ServerConfig(), f.identity), Audience: audience, Issuers: map[string]string{blueIssuer: "sales", redIssuer: "research"},
		PeerConfig: federation.PeerConfig{
			Timeout: 2 * time.Second, RootCertificate: config.Path(material.RootFile()),
			Retry: federation.RetryConfig{InitialBackoff: time.Millisecond, MaxBackoff: 8 * time.Millisecond, MaxRetries: 3},
		},
	}
	deps := accesstoken.Deps{Product: "kms", Now: f.clock.Now}
	if change != nil {
		change(&c, &deps)
	}
	peers, err := federation.Open(federation.Config{Enabled: true, Identity: c}, federation.Deps{Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		peers.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	f.peer, _ = peers.Peer(federation.Identity)
	require.Eventually(t, f.peer.Up, 10*time.Second, time.Millisecond)
	f.Verifier, err = accesstoken.Open(peers, c, deps)
	require.NoError(t, err)
	return f
}

// with is an object with changes; a nil value takes a member out.
func with(o, changes object) object {
	o = maps.Clone(o)
	for name, value := range changes {
		if o[name] = value; value == nil {
			delete(o, name)
		}
	}
	return o
}

func header(key *jwk.Key) object {
	return object{"typ": "at+jwt", "alg": key.Algorithm, "kid": key.ID}
}

// person are the claims of a person's token, and program those of a client's own.
func (f *fixture) person() object {
	now := f.clock.Now().Unix()
	return object{
		"iss": blueIssuer, "sub": "alice", "client_id": "portal", "aud": audience, "iat": now, "exp": now + 300, "jti": rand.Text(),
		"scope": "openid kms:read kms:encrypt ca:issue kms:read", "auth_time": now - 60, "amr": []string{"pwd", "otp"}, "acr": "aal2",
	}
}

func (f *fixture) program() object {
	return with(f.person(), object{"sub": "billing", "client_id": "billing", "auth_time": nil, "amr": nil, "acr": nil})
}

func (f *fixture) token(t testing.TB, claims object) string {
	t.Helper()
	return compact(t, f.blue, "ES256", header(f.blue), claims)
}

func request(t testing.TB, scheme, token string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, target+"?x=1", http.NoBody)
	r.Header.Set("Authorization", scheme+" "+token)
	return r
}

// present authenticates as a gate does.
func (f *fixture) present(t testing.TB, token string) (*server.Principal, error) {
	t.Helper()
	return f.Authenticate(t.Context(), request(t, "Bearer", token), token)
}

func requireCode(t testing.TB, code string, err error, why ...any) {
	t.Helper()
	var coded interface{ ErrorCode() string }
	require.ErrorAs(t, err, &coded, why...)
	require.Equal(t, code, coded.ErrorCode(), why...)
}

// challenge is what the answer to an error says in its header.
func challenge(t testing.TB, err error) http.Header {
	t.Helper()
	var says interface{ Challenge(h http.Header) }
	require.ErrorAs(t, err, &says)
	h := http.Header{}
	says.Challenge(h)
	return h
}

func mustDecode(t testing.TB, encoded string) string {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	require.NoError(t, err)
	return string(text)
}

// signText signs any text as claims.
func (f *fixture) signText(t testing.TB, text string) string {
	t.Helper()
	token, err := jws.Sign(f.blue, jws.Header{Type: "at+jwt"}, []byte(text))
	require.NoError(t, err)
	return token
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
