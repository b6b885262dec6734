// Package double is a service as tests of its clients need it: an HTTPS server that answers from a script and keeps what it was asked. Its main
// type is [Server].
package double

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
)

// Request is what a server was asked.
type Request struct {
	Method string
	Path   string // as it was sent, with its escapes
	Query  string
	Body   string
	Header http.Header
	Proto  int // the major version of HTTP
}

// Server is an HTTPS server that answers from a script.
type Server struct {
	*httptest.Server

	script []http.HandlerFunc
	mu     sync.Mutex
	seen   []Request // guarded by mu
}

// Serve starts a server, which ends with the test. Each request gets the next step of the script, all further ones the last.
func Serve(t testing.TB, script ...http.HandlerFunc) *Server {
	t.Helper()
	s := &Server{script: script}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.answer))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // handshakes and answers are broken on purpose
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	s.StartTLS()
	t.Cleanup(s.Close)

	return s
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // what came of a request that was cut short
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.mu.Lock()
	s.seen = append(s.seen, Request{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, string(body), r.Header.Clone(), r.ProtoMajor})
	step := s.script[min(len(s.seen), len(s.script))-1]
	s.mu.Unlock()
	step(w, r)
}

// Requests are those that came, in their order.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()

	return slices.Clone(s.seen)
}

// Roots are what a client trusts the server by.
func (s *Server) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())

	return pool
}

// OK answers 200 with this JSON.
func OK(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	}
}

// Refuse answers with a problem, and with header fields: names and values in turn.
func Refuse(status int, code string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"type":"urn:cryptoutil:problem:`+code+`","title":"Title","status":500,"code":"`+code+`","request_id":"r-1"}`)
	}
}

// HangUp breaks the connection without an answer.
func HangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// HalfAnswer breaks the connection within the body.
func HalfAnswer(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100")
	_, _ = io.WriteString(w, `{"valid":`)
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}
