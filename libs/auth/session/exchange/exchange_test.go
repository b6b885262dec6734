package exchange_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/cryptoutil/cryptoutil/libs/auth/session"
	"github.com/cryptoutil/cryptoutil/libs/auth/session/exchange"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
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

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

const apiToken = "token-of-ci"

// gate lets in who has the one API token, and sessions.
type gate struct{ sessions *session.Manager }

func ci() *server.Principal {
	return &server.Principal{Tenant: "default", Realm: "database", Kind: server.KindAPIToken, ID: "ci", Scopes: []string{"kms:read", "kms:encrypt"}}
}

func (g gate) Authenticate(ctx context.Context, r *http.Request) (*server.Principal, error) {
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case token == apiToken:
		return ci(), nil
	case g.sessions.Recognizes(token):
		return g.sessions.Authenticate(ctx, r, token)
	}
	return nil, problem.New(problem.Unauthenticated, "unknown")
}

func (gate) Continue(context.Context, *http.Request, *server.Principal) (*server.Principal, error) {
	return ci(), nil
}

func material() (*tlsconfig.Material, error) {
	dir, err := os.MkdirTemp("", "exchange-test-")
	if err != nil {
		return nil, err
	}
	m, err := tlsconfig.Open(tlsconfig.Config{Mode: tlsconfig.ModeAuto}, tlsconfig.Options{Dir: filepath.Join(dir, "tls"), Dev: true})
	return m, errors.Join(err, os.RemoveAll(dir))
}

var sharedMaterial = sync.OnceValues(material)

// client talks to a running service.
type client struct {
	*http.Client

	t        testing.TB
	url      string
	sessions *session.Manager
}

// each runs a test against a service on each engine whose sessions have the format.
func each(t *testing.T, format session.Format, test func(t *testing.T, c client)) {
	t.Helper()
	dbtest.Each(t, []database.Set{database.PlatformMigrations(), session.Migrations()}, func(t *testing.T, db *database.DB) {
		t.Helper()
		test(t, start(t, db, format))
	})
}

func start(t testing.TB, db *database.DB, format session.Format) client {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	cert, err := sharedMaterial()
	require.NoError(t, err)
	store, err := barrierstore.New(db)
	require.NoError(t, err)
	safe, err := barrier.New(barrier.Config{Store: store, Now: time.Now})
	require.NoError(t, err)
	require.NoError(t, safe.Unseal(t.Context(), make([]byte, barrier.UnsealKeySize), "test"))
	set, err := secrethash.Open(secrethash.Config{Dev: true})
	require.NoError(t, err)
	follower, err := changes.New(changes.Config{DB: db, Log: log, Now: time.Now, Bound: 30 * time.Second})
	require.NoError(t, err)
	leases, err := lease.New(lease.Config{DB: db, Owner: "test", Log: log})
	require.NoError(t, err)
	cfg := session.Defaults()
	cfg.Service.Format = format
	sessions, err := session.New(cfg, session.Deps{
		DB: db, Changes: follower, Leases: leases, Hashes: set.Registry(secrethash.HighEntropyRandom), Barrier: safe, Principals: gate{},
		Service: "kms", Now: time.Now, Log: log,
	})
	require.NoError(t, err)
	answers, err := idempotency.New(idempotency.Config{DB: db, Barrier: safe, Now: time.Now})
	require.NoError(t, err)
	public, err := server.New(server.Defaults("127.0.0.1:0", "127.0.0.1:0"), server.Deps{
		Log: log, Tracer: tracenoop.NewTracerProvider().Tracer("test"), Meter: metricnoop.NewMeterProvider().Meter("test"),
		TLS: cert, Auth: gate{sessions}, DataDir: t.TempDir(), API: exchange.New(sessions), Product: "kms",
		Sessions: sessions, Idempotency: answers, Bind: database.WithTenant,
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { assert.NoError(t, follower.Run(ctx)) })
	running.Go(func() { assert.NoError(t, public.Run(ctx)) })
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: cert.RootPool(), MinVersion: tls.VersionTLS13}}
	t.Cleanup(func() {
		cancel()
		running.Wait()
		transport.CloseIdleConnections()
	})
	require.Eventually(t, func() bool { return follower.Fresh() == nil }, 20*time.Second, time.Millisecond)
	return client{&http.Client{Transport: transport}, t, public.PublicURL(), sessions}
}

// call sends a request and returns status and body.
func (c client) call(method, path, token, body string, headers ...string) (int, map[string]any) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, bytes.NewBufferString(body))
	require.NoError(c.t, err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := c.Do(r)
	require.NoError(c.t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(c.t, err)
	var out map[string]any
	if len(text) > 0 {
		require.NoError(c.t, json.Unmarshal(text, &out), string(text))
		assert.Equal(c.t, "no-store", response.Header.Get("Cache-Control"))
	}
	return response.StatusCode, out
}

const (
	begin = "/service/api/v1/sessions"
	end   = "/service/api/v1/sessions/current"
)

func TestExchange_ASessionIsUsedAndEnded(t *testing.T) {
	t.Parallel()
	for _, format := range []session.Format{session.Opaque, session.JWS, session.JWE} {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			each(t, format, func(t *testing.T, c client) {
				status, body := c.call(http.MethodPost, begin, apiToken, `{"scopes":["kms:read"],"lifetime_seconds":600}`)
				require.Equal(t, http.StatusCreated, status, body)
				assert.Equal(t, []any{"kms:read"}, body["scopes"])
				assert.Equal(t, string(format), body["format"])
				assert.Equal(t, "Bearer", body["token_type"])
				text, ok := body["expires_at"].(string)
				require.True(t, ok)
				expires, err := time.Parse(time.RFC3339Nano, text)
				require.NoError(t, err)
				assert.WithinDuration(t, time.Now().Add(10*time.Minute), expires, 30*time.Second)
				token, ok := body["session_token"].(string)
				require.True(t, ok)

				status, body = c.call(http.MethodPost, begin, token, `{}`)
				assert.Equal(t, http.StatusForbidden, status, "no session comes of a session")
				assert.Equal(t, "forbidden", body["code"])
				status, _ = c.call(http.MethodDelete, end, token, "")
				assert.Equal(t, http.StatusNoContent, status)
				status, body = c.call(http.MethodDelete, end, token, "")
				assert.Equal(t, http.StatusUnauthorized, status)
				assert.Equal(t, "unauthenticated", body["code"])
			})
		})
	}
}

func TestExchange_RefusesWhatItCannotGive(t *testing.T) {
	t.Parallel()
	each(t, session.JWS, func(t *testing.T, c client) {
		for body, want := range map[string]string{
			`{"scopes":["kms:admin"]}`:             "insufficient_scope",
			`{"scopes":["kms:read","kms:read"]}`:   "validation_failed",
			`{"lifetime_seconds":59}`:              "validation_failed",
			`{"lifetime_seconds":99999999999}`:     "validation_failed",
			`{"format":"opaque"}`:                  "unknown_member",
			`{"scopes":["kms:read"],"scopes":[]}`:  "duplicate_member",
			`{"scopes":"kms:read"}`:                "validation_failed",
			`{"scopes":["kms:read"]} {"scopes":1}`: "trailing_data",
		} {
			_, answer := c.call(http.MethodPost, begin, apiToken, body)
			assert.Equal(t, want, answer["code"], body)
		}
		_, answer := c.call(http.MethodDelete, end, apiToken, "")
		assert.Equal(t, "not_found", answer["code"], "an API token is no session")
		_, answer = c.call(http.MethodPost, begin, "", `{}`)
		assert.Equal(t, "unauthenticated", answer["code"])
		list, err := c.sessions.List(t.Context(), "default", session.Filter{}, "", 10)
		require.NoError(t, err)
		assert.Empty(t, list)
	})
}

func TestExchange_ARepeatedRequestBeginsOneSession(t *testing.T) {
	t.Parallel()
	each(t, session.JWS, func(t *testing.T, c client) {
		_, first := c.call(http.MethodPost, begin, apiToken, `{}`, "Idempotency-Key", "one")
		_, second := c.call(http.MethodPost, begin, apiToken, `{}`, "Idempotency-Key", "one")
		assert.NotEmpty(t, first["session_token"])
		assert.Equal(t, first, second)
		_, other := c.call(http.MethodPost, begin, apiToken, `{}`, "Idempotency-Key", "two")
		assert.NotEqual(t, first["session_token"], other["session_token"])
		list, err := c.sessions.List(t.Context(), "default", session.Filter{}, "", 10)
		require.NoError(t, err)
		assert.Len(t, list, 2)
		token, ok := first["session_token"].(string)
		require.True(t, ok)
		status, _ := c.call(http.MethodDelete, end, token, "")
		assert.Equal(t, http.StatusNoContent, status)
	})
}

func TestExchange_EachPrefixKeepsTheOtherOut(t *testing.T) {
	t.Parallel()
	each(t, session.Opaque, func(t *testing.T, c client) {
		_, body := c.call(http.MethodPost, begin, apiToken, `{}`)
		token, ok := body["session_token"].(string)
		require.True(t, ok)
		_, answer := c.call(http.MethodDelete, "/browser/api/v1/sessions/current", token, "")
		assert.Equal(t, "wrong_client_type", answer["code"])
		_, answer = c.call(http.MethodDelete, "/browser/api/v1/sessions/current", "", "", "Cookie", "__Host-cu-kms-default="+token)
		assert.Equal(t, "wrong_client_type", answer["code"], "a program's session in a cookie")

		who := ci()
		issued, err := c.sessions.Create(t.Context(), session.Ask{Principal: who, Client: session.ClientBrowser})
		require.NoError(t, err)
		_, answer = c.call(http.MethodDelete, end, issued.Token, "")
		assert.Equal(t, "wrong_client_type", answer["code"], "a browser's session as a bearer token")
		cookie := "__Host-cu-kms-default=" + issued.Token
		_, answer = c.call(http.MethodPost, "/browser/api/v1/sessions", "", `{}`, "Cookie", cookie)
		assert.Equal(t, "forbidden", answer["code"])
		_, answer = c.call(http.MethodDelete, "/browser/api/v1/sessions/current", "", "", "Cookie", cookie, "Sec-Fetch-Site", "cross-site")
		assert.Equal(t, "csrf_failed", answer["code"])
		status, _ := c.call(http.MethodDelete, "/browser/api/v1/sessions/current", "", "", "Cookie", cookie)
		assert.Equal(t, http.StatusNoContent, status)
		_, answer = c.call(http.MethodDelete, "/browser/api/v1/sessions/current", "", "", "Cookie", cookie)
		assert.Equal(t, "session_required", answer["code"])
	})
}
