package acmeapi_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/acme"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/httpapi/acmeapi"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

// nobody is an authenticator that knows no credential.
type nobody struct{}

func (nobody) Authenticate(context.Context, *http.Request) (*server.Principal, error) {
	return nil, problem.New(problem.Unauthenticated, "no")
}

// behindPlatform puts the first replica behind the listener that every service has.
func (f *fixture) behindPlatform(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	material, err := tlsconfig.Open(tlsconfig.Config{Mode: tlsconfig.ModeAuto}, tlsconfig.Options{Dir: filepath.Join(dir, "tls"), Dev: true})
	require.NoError(t, err)
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	routes, err := acmeapi.Protocols(acmeapi.Config{Server: f.replicas[0].server, Log: log})
	require.NoError(t, err)
	config := server.Defaults("127.0.0.1:0", "127.0.0.1:0")
	data := filepath.Join(dir, "data")
	require.NoError(t, os.Mkdir(data, 0o700))
	s, err := server.New(config, server.Deps{
		Log: log, Tracer: tracenoop.NewTracerProvider().Tracer("test"), Meter: metricnoop.NewMeterProvider().Meter("test"), TLS: material, Auth: nobody{},
		API: server.API{
			Document: []byte(`{"openapi":"3.0.3","info":{"title":"none","version":"1"},"paths":{}}`), Mount: func(chi.Router, server.ErrorHandlers) {},
		},
		Protocols: routes, DataDir: data,
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	f.http = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: material.RootPool(), MinVersion: tls.VersionTLS13}}}
	f.url = s.PublicURL()
	t.Cleanup(func() {
		f.http.CloseIdleConnections()
		cancel()
		assert.NoError(t, <-ended)
	})
}

func TestPlatform_ServesTenantsApart(t *testing.T) {
	t.Parallel()
	eachWith(t, options{replicas: 1, tenants: []string{"acme", "default", "other"}}, func(t *testing.T, f *fixture) {
		f.behindPlatform(t)
		whole := f.url
		c := f.account(t, "main")
		_, certificate := f.obtain(t.Context(), t, c, validation.HTTP01, "www.example.com")
		assert.True(t, strings.HasPrefix(certificate, whole+"/acme/main/certificate/"))
		serial := strings.TrimPrefix(certificate, whole+"/acme/main/certificate/")
		r := rawOf(t, f, c, "main")
		order := r.post(t, "/new-order", newOrderPayload, nil)
		require.Equal(t, http.StatusCreated, order.status)

		f.url = whole + "/t/other"
		other := f.account(t, "main")
		_, url := f.obtain(t.Context(), t, other, validation.HTTP01, "www.example.com")
		assert.True(t, strings.HasPrefix(url, whole+"/t/other/acme/main/certificate/"), url)
		stranger := rawOf(t, f, other, "main")
		moved := strings.NewReplacer(whole+"/acme", whole+"/t/other/acme")
		for _, path := range []string{order.header.Get("Location"), order.list(t, "authorizations")[0], whole + "/acme/main/certificate/" + serial} {
			a := stranger.postURL(t, moved.Replace(path), "", nil)
			assert.Equal(t, http.StatusNotFound, a.status, "%s", a.body)
		}
		refused(t, stranger.postURL(t, moved.Replace(r.kid), "", nil), acme.Unauthorized, http.StatusForbidden)
		for _, kid := range []string{r.kid, moved.Replace(r.kid)} { // the same key, or its account, is nothing to another tenant
			thief := &raw{f: f, directory: "main", key: r.key, kid: kid}
			refused(t, thief.post(t, "/new-order", newOrderPayload, nil), acme.AccountDoesNotExist, http.StatusBadRequest)
		}
		f.url = whole
		foreign := r.nonce(t)
		f.url = whole + "/t/other"
		refused(t, stranger.post(t, "/new-order", newOrderPayload, func(h map[string]any) { h["nonce"] = foreign }), acme.BadNonce, http.StatusBadRequest)
	})
}

func TestPlatform_KeepsTheProtocolsWords(t *testing.T) {
	t.Parallel()
	eachWith(t, options{replicas: 1, tenants: []string{"default"}}, func(t *testing.T, f *fixture) {
		f.behindPlatform(t)
		r := newRaw(t, f, "main")
		url := r.url("/new-order")
		refused(t, r.send(t, url, []byte(strings.Repeat(" ", 200<<10))), acme.Malformed, http.StatusRequestEntityTooLarge)
		assert.Equal(t, http.StatusMethodNotAllowed, r.get(t, url).status)
		assert.Equal(t, http.StatusNoContent, r.get(t, r.url("/new-nonce")).status)
		assert.Equal(t, http.StatusNotFound, r.get(t, f.url+"/acme/missing/directory").status)
		assert.Equal(t, http.StatusNotFound, r.get(t, f.url+"/t/UPPER/acme/main/directory").status)

		q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(string(flattened(t, r.key, r.header(t, url), newOrderPayload))))
		require.NoError(t, err)
		q.Header.Set("Content-Type", "application/jose+json")
		q.Header.Set("Authorization", "Bearer nonsense")
		assert.Less(t, r.do(t, q).status, 500, "a credential of HTTP is nothing to ACME")
		for _, path := range []string{"/order/%2e%2e", "/order/..%2f..%2fadmin", "/certificate/0a0b/01"} {
			assert.Equal(t, http.StatusNotFound, r.post(t, path, "", nil).status, path)
		}
		assert.Equal(t, http.StatusOK, r.post(t, "/new-account", `{"onlyReturnExisting":true}`, func(h map[string]any) {
			delete(h, "kid")
			h["jwk"] = publicJWK(t, r.key)
		}).status)
	})
}
