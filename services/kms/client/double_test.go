package client_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// request is what a server saw.
type request struct {
	method, path, query, body string
	header                    http.Header
	proto                     int
}

// server is an HTTPS server that answers from a script and keeps what it was asked.
// The last step of the script answers all further requests.
type server struct {
	*httptest.Server
	mu     sync.Mutex
	seen   []request
	script []http.HandlerFunc
}

func serve(t *testing.T, script ...http.HandlerFunc) *server {
	t.Helper()
	s := &server{script: script}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.answer))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // handshakes and answers are broken on purpose
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *server) answer(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.seen = append(s.seen, request{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, string(body), r.Header.Clone(), r.ProtoMajor})
	step := s.script[min(len(s.seen), len(s.script))-1]
	s.mu.Unlock()
	step(w, r)
}

func (s *server) requests() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]request(nil), s.seen...)
}

func roots(s *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool
}

// dial returns a client of s, which change may alter. It repeats at once.
func dial(t *testing.T, s *server, change func(*client.Config)) *client.KMS {
	t.Helper()
	config := client.Config{URL: s.URL, Roots: roots(s.Server), Token: "cu_at_t_1_secret", Backoff: 1}
	if change != nil {
		change(&config)
	}
	kms, err := client.New(config)
	require.NoError(t, err)
	t.Cleanup(kms.Close)
	return kms
}

// ok answers 200 with this JSON.
func ok(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	}
}

// refuse answers with a problem.
func refuse(status int, code string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"type":"urn:cryptoutil:problem:`+code+`","title":"Title","status":500,"code":"`+code+`","request_id":"r-1"}`)
	}
}

// hangUp breaks the connection without an answer.
func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// halfAnswer breaks the connection within the body.
func halfAnswer(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100")
	_, _ = io.WriteString(w, `{"valid":`)
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

const keyJSON = `{"id":"018f0000-0000-7000-8000-000000000001","name":"payroll","description":"","algorithm":"A256GCM/A256KW","use":"encrypt","status":"active",` +
	`"primary_version":1,"version_count":1,"created_at":"2026-11-02T09:30:00.000000Z","updated_at":"2026-11-02T09:30:00.000000Z"}`

const versionJSON = `{"id":"018f0000-0000-7000-8000-000000000002","elastic_key_id":"018f0000-0000-7000-8000-000000000001","version":2,"kid":"k.2",` +
	`"status":"enabled","primary":true,"created_at":"2026-11-02T09:30:00.000000Z"}`
