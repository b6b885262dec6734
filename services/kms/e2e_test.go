package kms_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/database"
	platform "github.com/cryptoutil/cryptoutil/libs/service"
	"github.com/cryptoutil/cryptoutil/libs/service/servicetest"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// service is a running KMS, on real TLS and a real database, and what a test needs to talk to it.
type service struct {
	*platform.Instance

	running *servicetest.Running
	cfg     kms.Config
	files   platform.Files
	logs    *logBuffer
	http    *http.Client
	stop    func() // asks it to end and waits
	wait    func() // waits for its end
}

// logBuffer keeps what a running service logs.
type logBuffer = servicetest.Log

// prepare makes a data directory and its configuration with free ports and a database of the engine.
func prepare(t testing.TB, engine string) (kms.Config, platform.Files) {
	t.Helper()
	return servicetest.Prepare(t, kms.Service(), engine)
}

// run starts a KMS and stops it with the test.
func run(t testing.TB, cfg kms.Config, files platform.Files) *service {
	t.Helper()
	logs := &logBuffer{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(logs.String())
		}
	})
	s := runLogging(t, cfg, files, logs)
	s.logs = logs
	return s
}

// runLogging is run with another place for the log.
func runLogging(t testing.TB, cfg kms.Config, files platform.Files, log io.Writer) *service {
	t.Helper()
	return runProgram(t, kms.Service(), cfg, files, log)
}

// runProgram is runLogging of a service that was made otherwise.
func runProgram(t testing.TB, program platform.Service[kms.Config], cfg kms.Config, files platform.Files, log io.Writer) *service {
	t.Helper()
	running := servicetest.Run(t, program, cfg, files, log)
	return &service{Instance: running.Instance, running: running, cfg: cfg, files: files, http: running.HTTP, stop: running.Stop, wait: running.Wait}
}

// shown is the KMS with its platform shown to a test.
func shown(show func(p *platform.Platform)) platform.Service[kms.Config] {
	s := kms.Service()
	open := s.Build
	s.Build = func(ctx context.Context, cfg kms.Config, p *platform.Platform) (platform.Domain, error) {
		show(p)
		return open(ctx, cfg, p)
	}
	return s
}

// roots are what a client of the service trusts.
func (s *service) roots() *x509.CertPool {
	return s.http.Transport.(*http.Transport).TLSClientConfig.RootCAs
}

// each runs test against a KMS on every engine.
func each(t *testing.T, test func(t *testing.T, s *service)) {
	t.Helper()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg, files := prepare(t, engine)
			test(t, run(t, cfg, files))
		})
	}
}

// operator is the credential that a data directory comes with.
func (s *service) operator(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(s.files.Credential)
	require.NoError(t, err)
	return strings.TrimSpace(string(text))
}

// token adds an API token to the realm.
func (s *service) token(t testing.TB, tenant, id string, scopes ...string) string {
	t.Helper()
	return s.enroll(t, auth.NewEntry{Kind: credential.APIToken, Tenant: tenant, ID: id, Scopes: scopes})
}

// enroll adds a credential to the realm and has it take effect at once.
func (s *service) enroll(t testing.TB, entry auth.NewEntry) string {
	t.Helper()
	return s.running.Enroll(t, entry)
}

// editRealm changes the text of the realm file as an operator does, with an editor that replaces the file. It takes effect by itself.
func (s *service) editRealm(t testing.TB, change func(text string) string) {
	t.Helper()
	s.running.EditRealm(t, change)
}

// tenant adds a tenant to the realm.
func (s *service) tenant(t testing.TB, id string) {
	t.Helper()
	s.running.Tenant(t, id)
}

// apiBase is where programs find the API.
const apiBase = servicetest.APIBase

// answer is a response, read whole.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// object is the JSON object that was answered.
func (a answer) object(t testing.TB) map[string]any {
	t.Helper()
	var object map[string]any
	require.NoError(t, json.Unmarshal(a.body, &object), "%s", a.body)
	return object
}

// member reads a text member of the JSON object that was answered.
func (a answer) member(t testing.TB, name string) string {
	t.Helper()
	text, _ := a.object(t)[name].(string)
	return text
}

// raw reads a member of the JSON object that was answered as it stands there.
func (a answer) raw(t testing.TB, name string) json.RawMessage {
	t.Helper()
	var object map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(a.body, &object), "%s", a.body)
	return object[name]
}

// items are the members of a list.
func (a answer) items(t testing.TB) (items []map[string]any) {
	t.Helper()
	list, ok := a.object(t)["items"].([]any)
	require.True(t, ok, "%s", a.body)
	for _, item := range list {
		items = append(items, item.(map[string]any))
	}
	return items
}

// request makes a request as the holder of a token. A body that is neither text nor a reader is sent as JSON; header are pairs of a name and
// a value, which replace those set before; no value removes the header.
func (s *service) request(t testing.TB, token, method, path string, body any, header ...string) *http.Request {
	t.Helper()
	if method == http.MethodPatch { // of what is new
		header = append([]string{"Content-Type", "application/merge-patch+json", "If-Match", `"1"`}, header...)
	}
	return s.running.Request(t, token, method, path, body, header...)
}

// exchange sends a request and reads the answer. It may be used by many goroutines.
func (s *service) exchange(request *http.Request) (answer, error) {
	got, err := servicetest.Exchange(s.http, request)
	return answer{status: got.Status, header: got.Header, body: got.Body}, err
}

// send sends a request. Whatever is answered must keep the conventions of the API.
func (s *service) send(t testing.TB, request *http.Request) answer {
	t.Helper()
	got, err := s.exchange(request)
	require.NoError(t, err)
	got.keepsConventions(t, request)
	return got
}

// call is request and send.
func (s *service) call(t testing.TB, token, method, path string, body any, header ...string) answer {
	t.Helper()
	return s.send(t, s.request(t, token, method, path, body, header...))
}

// post is call for an operation that succeeds.
func (s *service) post(t testing.TB, token, path string, body any, header ...string) answer {
	t.Helper()
	got := s.call(t, token, http.MethodPost, path, body, header...)
	require.Equal(t, 2, got.status/100, "%s: %s", path, got.body)
	return got
}

// get is call for a GET that succeeds.
func (s *service) get(t testing.TB, token, path string) answer {
	t.Helper()
	got := s.call(t, token, http.MethodGet, path, nil)
	require.Equal(t, http.StatusOK, got.status, "%s: %s", path, got.body)
	return got
}

// create makes a key and returns its id.
func (s *service) create(t testing.TB, token, name, algorithm string) string {
	t.Helper()
	return s.post(t, token, "elastic-keys", map[string]any{"name": name, "algorithm": algorithm}).member(t, "id")
}

func TestService_SpeaksTLS13Only(t *testing.T) {
	t.Parallel()
	cfg, files := prepare(t, database.EngineSQLite)
	s := run(t, cfg, files)
	for _, url := range []string{s.URL(), s.AdminURL()} {
		dialer := tls.Dialer{Config: &tls.Config{MaxVersion: tls.VersionTLS12, RootCAs: s.roots()}}
		_, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "https://"))
		require.ErrorContains(t, err, "protocol version", url)
	}
}

func TestService_EncryptsAndDecryptsAcrossARestart(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg, files := prepare(t, engine)
			first := run(t, cfg, files)
			token := first.operator(t)
			first.create(t, token, "payroll", "A256GCM/A256KW")
			sealed := first.call(t, token, http.MethodPost, "elastic-keys/payroll/encrypt", map[string]any{"plaintext": "aGVsbG8", "context": map[string]string{"r": "1"}})
			require.Equal(t, http.StatusOK, sealed.status, "%s", sealed.body)
			first.stop()

			second := run(t, cfg, files)
			opened := second.call(t, token, http.MethodPost, "elastic-keys/payroll/decrypt",
				map[string]any{"ciphertext": sealed.member(t, "ciphertext"), "context": map[string]string{"r": "1"}})
			require.Equal(t, http.StatusOK, opened.status, "%s", opened.body)
			require.Equal(t, "aGVsbG8", opened.member(t, "plaintext"))
		})
	}
}
