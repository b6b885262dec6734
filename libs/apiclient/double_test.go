package apiclient_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
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

// clock notes the pauses between attempts instead of waiting.
type clock struct {
	mu     sync.Mutex
	pauses []time.Duration
}

func (c *clock) pause(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pauses = append(c.pauses, d)
	return ctx.Err()
}

// dial returns a client of s, which change may alter, and the clock of its pauses.
func dial(t *testing.T, s *server, change func(*apiclient.Config)) (*apiclient.Caller, *clock) {
	t.Helper()
	config := apiclient.Config{URL: s.URL, Roots: roots(s.Server), Token: "cu_at_t_1_secret"}
	if change != nil {
		change(&config)
	}
	caller, err := apiclient.New("test", config)
	require.NoError(t, err)
	t.Cleanup(caller.Close)
	c := new(clock)
	caller.Pause(c.pause)
	return caller, c
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

// thing is what the tests ask for.
type thing struct {
	Name string `json:"name"`
}

const thingJSON = `{"name":"payroll"}`

// get asks for a thing.
func get(ctx context.Context, c *apiclient.Caller) (*thing, error) {
	return apiclient.Call[thing](ctx, c, "get thing", func(ctx context.Context) (*http.Response, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Base()+"/things/payroll", nil)
		if err != nil {
			return nil, err
		}
		if err := c.Authorize(ctx, r); err != nil {
			return nil, err
		}
		return c.HTTP().Do(r)
	})
}

func assertPauses(t *testing.T, c *clock, bounds ...time.Duration) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if assert.Len(t, c.pauses, len(bounds)) {
		for i, bound := range bounds {
			assert.GreaterOrEqual(t, c.pauses[i], bound/2)
			assert.LessOrEqual(t, c.pauses[i], bound)
		}
	}
}
