package kmstest

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	platform "github.com/cryptoutil/cryptoutil/libs/service"
	"github.com/cryptoutil/cryptoutil/libs/service/servicetest"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// Service is a running KMS, on real TLS and a real database, and what a test needs to talk to it.
type Service struct {
	*servicetest.Running

	Config kms.Config
	Logs   *LogBuffer
}

// LogBuffer keeps what a running service logs.
type LogBuffer = servicetest.Log

// Prepare makes a data directory and its configuration with free ports and a database of the engine.
func Prepare(t testing.TB, engine string) (kms.Config, platform.Files) {
	t.Helper()
	return servicetest.Prepare(t, kms.Service(), engine)
}

// Run starts a KMS and stops it with the test.
func Run(t testing.TB, cfg kms.Config, files platform.Files) *Service {
	t.Helper()
	logs := &LogBuffer{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(logs.String())
		}
	})
	s := RunLogging(t, cfg, files, logs)
	s.Logs = logs
	return s
}

// RunLogging is Run with another place for the log.
func RunLogging(t testing.TB, cfg kms.Config, files platform.Files, log io.Writer) *Service {
	t.Helper()
	return runProgram(t, kms.Service(), cfg, files, log)
}

// runProgram is RunLogging of a service that was made otherwise.
func runProgram(t testing.TB, program platform.Service[kms.Config], cfg kms.Config, files platform.Files, log io.Writer) *Service {
	t.Helper()
	running := servicetest.Run(t, program, cfg, files, log)
	return &Service{Running: running, Config: cfg}
}

// By is the service as another client sees it.
func (s *Service) By(client *http.Client) *Service {
	running := *s.Running
	running.HTTP = client
	return &Service{Running: &running, Config: s.Config, Logs: s.Logs}
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

// Each runs test against a KMS on every engine.
func Each(t *testing.T, test func(t *testing.T, s *Service)) {
	t.Helper()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg, files := Prepare(t, engine)
			test(t, Run(t, cfg, files))
		})
	}
}

// APIBase is where programs find the API.
const APIBase = servicetest.APIBase

// Request makes a request as the holder of a token. A body that is neither text nor a reader is sent as JSON; header are pairs of a name and
// a value, which replace those set before; no value removes the header.
func (s *Service) Request(t testing.TB, token, method, path string, body any, header ...string) *http.Request {
	t.Helper()
	if method == http.MethodPatch { // of what is new
		header = append([]string{"Content-Type", "application/merge-patch+json", "If-Match", `"1"`}, header...)
	}
	return s.Running.Request(t, token, method, path, body, header...)
}

// Exchange sends a request and reads the answer. It may be used by many goroutines.
func (s *Service) Exchange(request *http.Request) (Answer, error) {
	got, err := servicetest.Exchange(s.HTTP, request)
	return Answer{Answer: got}, err
}

// Send sends a request. Whatever is answered must keep the conventions of the API.
func (s *Service) Send(t testing.TB, request *http.Request) Answer {
	t.Helper()
	got, err := s.Exchange(request)
	require.NoError(t, err)
	got.KeepsConventions(t, request)
	return got
}

// Call is Request and Send.
func (s *Service) Call(t testing.TB, token, method, path string, body any, header ...string) Answer {
	t.Helper()
	return s.Send(t, s.Request(t, token, method, path, body, header...))
}

// Post is Call for an operation that succeeds.
func (s *Service) Post(t testing.TB, token, path string, body any, header ...string) Answer {
	t.Helper()
	got := s.Call(t, token, http.MethodPost, path, body, header...)
	require.Equal(t, 2, got.Status/100, "%s: %s", path, got.Body)
	return got
}

// Get is Call for a GET that succeeds.
func (s *Service) Get(t testing.TB, token, path string) Answer {
	t.Helper()
	got := s.Call(t, token, http.MethodGet, path, nil)
	require.Equal(t, http.StatusOK, got.Status, "%s: %s", path, got.Body)
	return got
}

// Create makes a key and returns its id.
func (s *Service) Create(t testing.TB, token, name, algorithm string) string {
	t.Helper()
	return s.Post(t, token, "elastic-keys", map[string]any{"name": name, "algorithm": algorithm}).Member(t, "id")
}

// Check is what readyz, healthz or another report says of one check, and the report's own status.
func (s *Service) Check(t testing.TB, report, name string) (code int, overall, status, detail string) {
	t.Helper()
	got, err := s.Exchange(s.AdminRequest(t, http.MethodGet, report, ""))
	require.NoError(t, err)
	for _, check := range got.Object(t)["checks"].([]any) {
		if check := check.(map[string]any); check["name"] == name {
			detail, _ = check["detail"].(string)
			return got.Status, got.Member(t, "status"), check["status"].(string), detail
		}
	}
	return got.Status, got.Member(t, "status"), "", ""
}

// Library is the Go client of a service.
func (s *Service) Library(t testing.TB) *client.KMS {
	t.Helper()
	c, err := client.New(client.Config{URL: s.URL(), Roots: s.Roots(), Token: s.Token(t, "default", "library", "kms:admin"), Retries: -1})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}
