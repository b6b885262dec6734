// Package servicetest runs a service for black-box tests: the real program on free ports, with real TLS and a real database, and clients that
// know its root certificate. Its main type is Running.
package servicetest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/service"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// APIBase is where programs find the API.
const APIBase = "/service/api/v1/"

// Log keeps what a running service logs.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String is all that was logged.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Prepare makes a data directory, and its configuration with free ports and a database of the engine.
func Prepare[C any](t testing.TB, s service.Service[C], engine string) (C, service.Files) {
	t.Helper()
	return PrepareSetup(t, s, service.Setup{UnsealMode: unseal.Derive}, engine)
}

// PrepareSetup is Prepare for another set-up, whose service and folder are filled in.
func PrepareSetup[C any](t testing.TB, s service.Service[C], setup service.Setup, engine string) (C, service.Files) {
	t.Helper()
	setup.Service, setup.Dir = s.Description, filepath.Join(t.TempDir(), "data")
	files, _, err := setup.Prepare()
	require.NoError(t, err)
	overrides := map[string]string{"public.address": "127.0.0.1:0", "admin.address": "127.0.0.1:0", "telemetry.log_level": "error"}
	if setup.Operator != "" && s.MTLS != "" {
		overrides["mtls.address"] = "127.0.0.1:0"
	}
	cfg, err := s.Load(config.Source{File: files.Config, Overrides: overrides}, false)
	require.NoError(t, err)
	common := service.Common(&cfg)
	// Keys made ahead of need would compete with the other tests for processors.
	common.KeyPools = map[string]int{"RSA-2048": 0, "RSA-3072": 0, "RSA-4096": 0, "P-256": 2, "P-384": 2, "P-521": 2, "Ed25519": 2}
	sets, err := s.Sets()
	require.NoError(t, err)
	if engine == database.EnginePostgres {
		common.Database = dbtest.Fresh(t, engine, sets...)
		return cfg, files
	}
	content, err := os.ReadFile(dbtest.Fresh(t, engine, sets...).Path.String())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(common.Database.Path.String(), content, 0o600))
	return cfg, files
}

// Running is a service that runs, and what a test needs to talk to it.
type Running struct {
	*service.Instance

	Config *service.Config
	Files  service.Files
	HTTP   *http.Client
	Stop   func() // asks it to end and waits
	Wait   func() // waits for its end
}

// Run starts a service that logs to log, and stops it with the test.
func Run[C any](t testing.TB, s service.Service[C], cfg C, files service.Files, log io.Writer) *Running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	instance, err := s.Open(ctx, cfg, false, log)
	if err != nil {
		cancel()
		require.NoError(t, err)
	}
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- instance.Run(ctx, func(*service.Instance) { close(ready) }) }()
	select {
	case <-ready:
	case err := <-done:
		cancel()
		require.NoError(t, err, "the service ended before it was ready")
	}
	ended := false
	wait := func() {
		if ended {
			return
		}
		ended = true
		require.NoError(t, <-done)
	}
	stop := func() {
		cancel()
		wait()
	}
	t.Cleanup(stop)
	roots, err := tlsconfig.LoadRoots(instance.RootFile())
	require.NoError(t, err)
	return &Running{
		Instance: instance, Config: service.Common(&cfg), Files: files, HTTP: client(t, tlsconfig.ClientConfig(roots)), Stop: stop, Wait: wait,
	}
}

func client(t testing.TB, security *tls.Config) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: security, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// Roots are what a client of the service trusts.
func (r *Running) Roots() *x509.CertPool {
	transport, ok := r.HTTP.Transport.(*http.Transport)
	if !ok {
		return nil
	}
	return transport.TLSClientConfig.RootCAs
}

// Administrator is a client with the certificate of a data directory that was set up with an operator. It calls the listener for client
// certificates.
func (r *Running) Administrator(t testing.TB) *http.Client {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(r.Files.ClientCertificate, r.Files.ClientKey)
	require.NoError(t, err)
	security := tlsconfig.ClientConfig(r.Roots())
	security.Certificates = []tls.Certificate{pair}
	return client(t, security)
}

// Operator is the credential that a data directory comes with.
func (r *Running) Operator(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(r.Files.Credential)
	require.NoError(t, err)
	return strings.TrimSpace(string(text))
}

// Token adds an API token to the realm.
func (r *Running) Token(t testing.TB, tenant, id string, scopes ...string) string {
	t.Helper()
	return r.Enroll(t, auth.NewEntry{Kind: credential.APIToken, Tenant: tenant, ID: id, Scopes: scopes})
}

// Enroll adds a credential to the realm and has it take effect at once.
func (r *Running) Enroll(t testing.TB, entry auth.NewEntry) string {
	t.Helper()
	hashes, err := service.OpenHashes(r.Config)
	require.NoError(t, err)
	made, err := auth.Add(r.Config.Realm.File.String(), hashes.Registry(secrethash.HighEntropyRandom), entry)
	require.NoError(t, err)
	require.NoError(t, r.Reload(r.Config))
	return made.Text()
}

// EditRealm changes the text of the realm file as an operator does, with an editor that replaces the file. It takes effect by itself.
func (r *Running) EditRealm(t testing.TB, change func(text string) string) {
	t.Helper()
	file := r.Config.Realm.File.String()
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	after := change(string(before))
	require.NotEqual(t, string(before), after, "the edit changes nothing")
	require.NoError(t, os.WriteFile(file+".edited", []byte(after), 0o600))
	require.NoError(t, os.Rename(file+".edited", file))
}

// Tenant adds a tenant to the realm.
func (r *Running) Tenant(t testing.TB, id string) {
	t.Helper()
	r.EditRealm(t, func(text string) string { return strings.Replace(text, "tenants:\n", "tenants:\n  - id: "+id+"\n", 1) })
	require.NoError(t, r.Reload(r.Config))
}

// Request makes a request as the holder of a token. A body that is neither text nor a reader is sent as JSON; header are pairs of a name and
// a value, which replace those set before; no value removes the header.
func (r *Running) Request(t testing.TB, token, method, path string, body any, header ...string) *http.Request {
	t.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	case io.Reader:
		reader = b
	default:
		text, err := json.Marshal(b)
		require.NoError(t, err)
		reader = bytes.NewReader(text)
	}
	if !strings.HasPrefix(path, "/") {
		path = APIBase + path
	}
	request, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, r.URL()+path, reader)
	require.NoError(t, err)
	if reader != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Del(header[i])
		if header[i+1] != "" {
			request.Header.Set(header[i], header[i+1])
		}
	}
	return request
}

// Answer is a response, read whole.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Exchange sends a request by a client and reads the answer. It may be used by many goroutines.
func Exchange(by *http.Client, request *http.Request) (Answer, error) {
	response, err := by.Do(request) //nolint:gosec // the address is that of the service under test
	if err != nil {
		return Answer{}, err
	}
	content, err := io.ReadAll(response.Body)
	return Answer{Status: response.StatusCode, Header: response.Header, Body: content}, errors.Join(err, response.Body.Close())
}

// Object is the JSON object that was answered.
func (a Answer) Object(t testing.TB) map[string]any {
	t.Helper()
	var object map[string]any
	require.NoError(t, json.Unmarshal(a.Body, &object), "%s", a.Body)
	return object
}

// Member reads a text member of the JSON object that was answered.
func (a Answer) Member(t testing.TB, name string) string {
	t.Helper()
	text, _ := a.Object(t)[name].(string)
	return text
}

// Raw reads a member of the JSON object that was answered as it stands there.
func (a Answer) Raw(t testing.TB, name string) json.RawMessage {
	t.Helper()
	var object map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(a.Body, &object), "%s", a.Body)
	return object[name]
}

// Items are the members of a list.
func (a Answer) Items(t testing.TB) (items []map[string]any) {
	t.Helper()
	list, ok := a.Object(t)["items"].([]any)
	require.True(t, ok, "%s", a.Body)
	for _, item := range list {
		object, ok := item.(map[string]any)
		require.True(t, ok, "%s", a.Body)
		items = append(items, object)
	}
	return items
}
