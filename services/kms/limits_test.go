package kms_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// inline is how many bytes encrypt, sign and verify take.
const inline = 64 << 10

func TestLimit_OfBytesInOneRequestIsExact(t *testing.T) {
	t.Parallel()
	s, h := fixture(t)
	raw := map[string]any{"input": "message", "format": "der"}
	for size, fits := range map[int]bool{inline - 1: true, inline: true, inline + 1: false, inline + 3: false, 2 * inline: false} {
		text := encode(bytes.Repeat([]byte{0xa5}, size))
		for what, ask := range map[string]ask{
			"encrypt":    {"elastic-keys/" + h.secret + "/encrypt", map[string]any{"plaintext": text}},
			"sign":       {"elastic-keys/" + h.signer + "/sign", map[string]any{"payload": text}},
			"sign raw":   {"elastic-keys/" + h.signer + "/sign", merge(raw, map[string]any{"payload": text})},
			"verify raw": {"elastic-keys/" + h.signer + "/verify", merge(raw, map[string]any{"payload": text, "signature": h.raw})},
		} {
			got := s.call(t, h.token, http.MethodPost, ask.path, ask.body)
			if fits {
				assert.Equal(t, http.StatusOK, got.status, "%s of %d: %s", what, size, got.body)
				continue
			}
			got.refused(t, http.StatusRequestEntityTooLarge, "payload_too_large", fmt.Sprintf("%s of %d", what, size))
		}
	}
	// What encrypt and sign make of the most that they take is taken back.
	largest := encode(bytes.Repeat([]byte{0xa5}, inline))
	bind := map[string]string{}
	for i := range 32 {
		bind[fmt.Sprintf("%d%s", i, strings.Repeat("n", 1000))] = strings.Repeat("v", 1024)
	}
	sealed := s.post(t, h.token, "elastic-keys/"+h.secret+"/encrypt", map[string]any{"plaintext": largest, "context": bind})
	opened := s.post(t, h.token, "elastic-keys/"+h.secret+"/decrypt", map[string]any{"ciphertext": sealed.member(t, "ciphertext"), "context": bind})
	assert.Equal(t, largest, opened.member(t, "plaintext"))
	signed := s.post(t, h.token, "elastic-keys/"+h.signer+"/sign", map[string]any{"payload": largest, "typ": strings.Repeat("t", 64)})
	verified := s.post(t, h.token, "elastic-keys/"+h.signer+"/verify", map[string]any{"signature": signed.member(t, "signature"), "payload": largest})
	assert.Equal(t, true, verified.object(t)["valid"])
	for _, operation := range []string{h.secret + "/decrypt", h.signer + "/verify"} {
		member := map[bool]string{true: "ciphertext", false: "signature"}[strings.HasSuffix(operation, "decrypt")]
		s.call(t, h.token, http.MethodPost, "elastic-keys/"+operation, map[string]any{member: strings.Repeat("A", 128<<10+1)}).
			refused(t, http.StatusRequestEntityTooLarge, "payload_too_large", operation)
		s.call(t, h.token, http.MethodPost, "elastic-keys/"+operation, map[string]any{member: strings.Repeat("A", 3<<19+1)}).
			refused(t, http.StatusBadRequest, "validation_failed", operation)
	}
}

func TestLimit_OfABodyIsExact(t *testing.T) {
	t.Parallel()
	s, h := fixture(t)
	const most = 2 << 20
	path := "elastic-keys/" + h.secret + "/encrypt"
	padded := func(size int) string {
		body := `{"plaintext":"aGVsbG8"}`
		return body + strings.Repeat(" ", size-len(body))
	}
	unannounced := func(text string) io.Reader { return io.MultiReader(strings.NewReader(text)) }
	s.post(t, h.token, path, padded(most))
	s.post(t, h.token, path, unannounced(padded(most)))
	for _, body := range []any{padded(most + 1), unannounced(padded(most + 1)), unannounced(padded(20 * most))} {
		s.call(t, h.token, http.MethodPost, path, body).refused(t, http.StatusRequestEntityTooLarge, "payload_too_large", "one byte more")
	}
	s.call(t, "", http.MethodPost, path, padded(most+1)).refused(t, http.StatusUnauthorized, "unauthenticated", "a stranger's body is not read")
}

func TestLimit_OfAHeader(t *testing.T) {
	t.Parallel()
	s, h := fixture(t)
	s = s.apart(t, false) // over HTTP/2 the client's side would refuse to send
	s.call(t, h.token, http.MethodGet, "self", nil, "X-Large", strings.Repeat("x", 30<<10))
	for _, path := range []string{"self", "/browser/api/v1/self", "/nothing"} {
		s.call(t, h.token, http.MethodGet, path, nil, "X-Large", strings.Repeat("x", 33<<10)).
			refused(t, http.StatusRequestHeaderFieldsTooLarge, "headers_too_large", path)
	}
	many := s.request(t, h.token, http.MethodGet, "self", nil)
	for i := range 4000 {
		many.Header.Set(fmt.Sprintf("X-%d", i), "x")
	}
	s.send(t, many).refused(t, http.StatusRequestHeaderFieldsTooLarge, "headers_too_large", "many small fields")
	s.call(t, h.token, http.MethodGet, "self?"+strings.Repeat("x", 33<<10), nil).
		refused(t, http.StatusRequestHeaderFieldsTooLarge, "headers_too_large", "a long query")
}

// apart is the service as a client with connections of its own sees it.
func (s *service) apart(t testing.TB, http2 bool) *service {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: tlsconfig.ClientConfig(s.roots()), ForceAttemptHTTP2: http2, MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	own := *s
	own.http = &http.Client{Transport: transport}
	return &own
}

// wire is a connection on which a test says exactly what it wants.
type wire struct {
	*tls.Conn

	reader *bufio.Reader
}

func (s *service) dial(t testing.TB) wire {
	t.Helper()
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: s.roots(), MinVersion: tls.VersionTLS13}}
	connection, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL(), "https://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = connection.Close() })
	return wire{connection.(*tls.Conn), bufio.NewReader(connection)}
}

func (w wire) sayf(t testing.TB, format string, args ...any) {
	t.Helper()
	_, err := fmt.Fprintf(w, format, args...)
	require.NoError(t, err)
}

// hear reads one answer; nil when the connection is closed without one.
func (w wire) hear(t testing.TB) *answer {
	t.Helper()
	require.NoError(t, w.SetReadDeadline(time.Now().Add(20*time.Second)))
	response, err := http.ReadResponse(w.reader, nil)
	if err != nil {
		require.NotErrorIs(t, err, http.ErrHandlerTimeout)
		return nil
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return &answer{status: response.StatusCode, header: response.Header, body: content}
}

const head = "POST /service/api/v1/elastic-keys/%s/encrypt HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"

// A client that stops in the middle is cut off in time, and costs the others nothing.
func TestLimit_OfTimeForARequest(t *testing.T) {
	t.Parallel()
	cfg, files := prepare(t, database.EngineSQLite)
	cfg.Limits.ReadHeaderTimeout, cfg.Limits.ReadTimeout = 300*time.Millisecond, 600*time.Millisecond
	s := run(t, cfg, files)
	h := newHolding(t, s, "default", s.operator(t))
	body, header, handshake := s.dial(t), s.dial(t), s.dial(t)
	body.sayf(t, head+"Content-Length: 100\r\n\r\n{\"plaintext\":", h.secret, h.token)
	header.sayf(t, "GET /service/api/v1/self HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
	s.post(t, h.token, "elastic-keys/"+h.secret+"/encrypt", map[string]any{"plaintext": ""})

	got := body.hear(t)
	require.NotNil(t, got)
	got.refused(t, http.StatusBadRequest, "bad_request", "half a body")
	assert.NotContains(t, string(got.body), "timeout")
	assert.Nil(t, body.hear(t), "the connection is closed")
	if late := header.hear(t); late != nil {
		assert.Equal(t, http.StatusRequestTimeout, late.status)
	}
	assert.Nil(t, handshake.hear(t), "a connection on which nothing comes is closed")
	s.get(t, h.token, "self")
}

// Beyond capacity the answer is 503 at once; health does not notice, and afterwards all is as before.
func TestLimit_OfRequestsInFlight(t *testing.T) {
	t.Parallel()
	const capacity, strangers = 4, 100
	cfg, files := prepare(t, database.EngineSQLite)
	cfg.Limits.MaxInFlight = capacity
	s := run(t, cfg, files)
	h := newHolding(t, s, "default", s.operator(t))
	for range strangers { // connections alone take nothing from anybody
		s.dial(t)
	}
	s.get(t, h.token, "self")
	var waiting []wire
	// No caller gets all of the capacity: it takes two to use it up.
	for _, token := range []string{h.token, h.token, h.token, s.token(t, "default", "second", "kms:encrypt")} {
		w := s.dial(t)
		w.sayf(t, head+"Content-Length: 23\r\n\r\n{\"plaintext\"", h.secret, token)
		waiting = append(waiting, w)
	}
	// A request that looked by itself could take the last place.
	require.Eventually(t, func() bool {
		return int(s.admin(t, http.MethodGet, "status", "").object(t)["in_flight"].(float64)) == capacity
	}, 10*time.Second, time.Millisecond)
	for _, path := range []string{"self", "/browser/api/v1/self", "/nothing"} {
		got := s.call(t, h.token, http.MethodGet, path, nil)
		got.refused(t, http.StatusServiceUnavailable, "overloaded", path)
		assert.Equal(t, "1", got.header.Get("Retry-After"))
	}
	assert.Equal(t, http.StatusOK, s.admin(t, http.MethodGet, "livez", "").status)
	assert.Equal(t, http.StatusOK, s.admin(t, http.MethodGet, "readyz", "").status)
	for _, w := range waiting {
		w.sayf(t, ":\"aGVsbG8\"}")
	}
	for _, w := range waiting {
		got := w.hear(t)
		require.NotNil(t, got)
		assert.Equal(t, http.StatusOK, got.status, "%s", got.body)
	}
	s.get(t, h.token, "self")
}

// Many callers at once all get their answers, on both protocols.
func TestLimit_ManyCallersAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		const callers, calls = 32, 5
		h := newHolding(t, s, "default", s.operator(t))
		failures := make([]error, callers)
		var group sync.WaitGroup
		for i := range callers {
			own := s.apart(t, i%2 == 0)
			group.Go(func() {
				for range calls {
					got, err := own.exchange(own.request(t, h.token, http.MethodPost, "elastic-keys/"+h.secret+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}))
					if err == nil && got.status != http.StatusOK {
						err = fmt.Errorf("%d %s", got.status, got.body)
					}
					if err != nil {
						failures[i] = err
						return
					}
				}
			})
		}
		group.Wait()
		for _, err := range failures {
			require.NoError(t, err)
		}
	})
}

// RSA keys take seconds of a processor. Whoever asks for many waits, or is told to come back; the others hardly notice.
func TestLimit_OfRSAKeysAtATime(t *testing.T) {
	t.Parallel()
	const rivals = 24
	s, h := fixture(t)
	ctx, leave := context.WithCancel(context.WithoutCancel(t.Context()))
	defer leave()
	answers, failures := make([]answer, rivals), make([]error, rivals)
	refused := make(chan int, rivals)
	ask := func(i int) *http.Request {
		return s.request(t, h.token, http.MethodPost, "elastic-keys",
			kind{Name: fmt.Sprintf("rsa-%d", i), Algorithm: "RS256", KeySize: 2048}, idempotencyKey, fmt.Sprintf("rsa-%d", i))
	}
	var group sync.WaitGroup
	for i := range rivals {
		request := ask(i).WithContext(ctx)
		group.Go(func() {
			answers[i], failures[i] = s.exchange(request)
			if answers[i].status == http.StatusServiceUnavailable {
				refused <- i
			}
		})
	}
	first := <-refused
	s.post(t, h.token, "elastic-keys/"+h.secret+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
	leave() // those who wait need not be served
	group.Wait()
	made := 0
	for i, got := range answers {
		switch {
		case failures[i] != nil:
			require.ErrorIs(t, failures[i], context.Canceled)
		case got.status == http.StatusCreated:
			made++
		default:
			got.refused(t, http.StatusServiceUnavailable, "overloaded", "too many")
			assert.NotEmpty(t, got.header.Get("Retry-After"))
		}
	}
	assert.GreaterOrEqual(t, len(s.get(t, h.token, "elastic-keys?algorithm=RS256").items(t)), made)
	require.Eventually(t, func() bool { // a refusal is not kept
		again := s.call(t, h.token, http.MethodPost, "elastic-keys", kind{Name: fmt.Sprintf("rsa-%d", first), Algorithm: "RS256", KeySize: 2048}, idempotencyKey, fmt.Sprintf("rsa-%d", first))
		return again.status == http.StatusCreated
	}, 30*time.Second, 10*time.Millisecond)
}
