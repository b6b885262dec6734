package outagetest_test

import (
	"bytes"
	"context"
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

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

func TestLimit_OfBytesInOneRequestIsExact(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
	raw := map[string]any{"input": "message", "format": "der"}
	for size, fits := range map[int]bool{kmstest.Inline - 1: true, kmstest.Inline: true, kmstest.Inline + 1: false, kmstest.Inline + 3: false, 2 * kmstest.Inline: false} {
		text := kmstest.Encode(bytes.Repeat([]byte{0xa5}, size))
		for what, ask := range map[string]kmstest.Ask{
			"encrypt":    {Path: "elastic-keys/" + h.Secret + "/encrypt", Body: map[string]any{"plaintext": text}},
			"sign":       {Path: "elastic-keys/" + h.Signer + "/sign", Body: map[string]any{"payload": text}},
			"sign raw":   {Path: "elastic-keys/" + h.Signer + "/sign", Body: kmstest.Merge(raw, map[string]any{"payload": text})},
			"verify raw": {Path: "elastic-keys/" + h.Signer + "/verify", Body: kmstest.Merge(raw, map[string]any{"payload": text, "signature": h.Raw})},
		} {
			got := s.Call(t, h.Token, http.MethodPost, ask.Path, ask.Body)
			if fits {
				assert.Equal(t, http.StatusOK, got.Status, "%s of %d: %s", what, size, got.Body)
				continue
			}
			got.Refused(t, http.StatusRequestEntityTooLarge, "payload_too_large", fmt.Sprintf("%s of %d", what, size))
		}
	}
	// What encrypt and sign make of the most that they take is taken back.
	largest := kmstest.Encode(bytes.Repeat([]byte{0xa5}, kmstest.Inline))
	bind := map[string]string{}
	for i := range 32 {
		bind[fmt.Sprintf("%d%s", i, strings.Repeat("n", 1000))] = strings.Repeat("v", 1024)
	}
	sealed := s.Post(t, h.Token, "elastic-keys/"+h.Secret+"/encrypt", map[string]any{"plaintext": largest, "context": bind})
	opened := s.Post(t, h.Token, "elastic-keys/"+h.Secret+"/decrypt", map[string]any{"ciphertext": sealed.Member(t, "ciphertext"), "context": bind})
	assert.Equal(t, largest, opened.Member(t, "plaintext"))
	signed := s.Post(t, h.Token, "elastic-keys/"+h.Signer+"/sign", map[string]any{"payload": largest, "typ": strings.Repeat("t", 64)})
	verified := s.Post(t, h.Token, "elastic-keys/"+h.Signer+"/verify", map[string]any{"signature": signed.Member(t, "signature"), "payload": largest})
	assert.Equal(t, true, verified.Object(t)["valid"])
	for _, operation := range []string{h.Secret + "/decrypt", h.Signer + "/verify"} {
		member := map[bool]string{true: "ciphertext", false: "signature"}[strings.HasSuffix(operation, "decrypt")]
		s.Call(t, h.Token, http.MethodPost, "elastic-keys/"+operation, map[string]any{member: strings.Repeat("A", 128<<10+1)}).
			Refused(t, http.StatusRequestEntityTooLarge, "payload_too_large", operation)
		s.Call(t, h.Token, http.MethodPost, "elastic-keys/"+operation, map[string]any{member: strings.Repeat("A", 3<<19+1)}).
			Refused(t, http.StatusBadRequest, "validation_failed", operation)
	}
}

func TestLimit_OfABodyIsExact(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
	const most = 2 << 20
	path := "elastic-keys/" + h.Secret + "/encrypt"
	padded := func(size int) string {
		body := `{"plaintext":"aGVsbG8"}`
		return body + strings.Repeat(" ", size-len(body))
	}
	unannounced := func(text string) io.Reader { return io.MultiReader(strings.NewReader(text)) }
	s.Post(t, h.Token, path, padded(most))
	s.Post(t, h.Token, path, unannounced(padded(most)))
	for _, body := range []any{padded(most + 1), unannounced(padded(most + 1)), unannounced(padded(20 * most))} {
		s.Call(t, h.Token, http.MethodPost, path, body).Refused(t, http.StatusRequestEntityTooLarge, "payload_too_large", "one byte more")
	}
	s.Call(t, "", http.MethodPost, path, padded(most+1)).Refused(t, http.StatusUnauthorized, "unauthenticated", "a stranger's body is not read")
}

func TestLimit_OfAHeader(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
	s = s.Apart(t, false) // over HTTP/2 the client's side would refuse to send
	s.Call(t, h.Token, http.MethodGet, "self", nil, "X-Large", strings.Repeat("x", 30<<10))
	for _, path := range []string{"self", "/browser/api/v1/self", "/nothing"} {
		s.Call(t, h.Token, http.MethodGet, path, nil, "X-Large", strings.Repeat("x", 33<<10)).
			Refused(t, http.StatusRequestHeaderFieldsTooLarge, "headers_too_large", path)
	}
	many := s.Request(t, h.Token, http.MethodGet, "self", nil)
	for i := range 4000 {
		many.Header.Set(fmt.Sprintf("X-%d", i), "x")
	}
	s.Send(t, many).Refused(t, http.StatusRequestHeaderFieldsTooLarge, "headers_too_large", "many small fields")
	s.Call(t, h.Token, http.MethodGet, "self?"+strings.Repeat("x", 33<<10), nil).
		Refused(t, http.StatusRequestHeaderFieldsTooLarge, "headers_too_large", "a long query")
}

const head = "POST /service/api/v1/elastic-keys/%s/encrypt HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"

// A client that stops in the middle is cut off in time, and costs the others nothing.
func TestLimit_OfTimeForARequest(t *testing.T) {
	t.Parallel()
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	cfg.Limits.ReadHeaderTimeout, cfg.Limits.ReadTimeout = 300*time.Millisecond, 600*time.Millisecond
	s := kmstest.Run(t, cfg, files)
	h := kmstest.NewHolding(t, s, "default", s.Operator(t))
	body, header, handshake := s.Dial(t), s.Dial(t), s.Dial(t)
	body.Sayf(t, head+"Content-Length: 100\r\n\r\n{\"plaintext\":", h.Secret, h.Token)
	header.Sayf(t, "GET /service/api/v1/self HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
	s.Post(t, h.Token, "elastic-keys/"+h.Secret+"/encrypt", map[string]any{"plaintext": ""})

	got := body.Hear(t)
	require.NotNil(t, got)
	got.Refused(t, http.StatusBadRequest, "bad_request", "half a body")
	assert.NotContains(t, string(got.Body), "timeout")
	assert.Nil(t, body.Hear(t), "the connection is closed")
	if late := header.Hear(t); late != nil {
		assert.Equal(t, http.StatusRequestTimeout, late.Status)
	}
	assert.Nil(t, handshake.Hear(t), "a connection on which nothing comes is closed")
	s.Get(t, h.Token, "self")
}

// Beyond capacity the answer is 503 at once; health does not notice, and afterwards all is as before.
func TestLimit_OfRequestsInFlight(t *testing.T) {
	t.Parallel()
	const capacity, strangers = 4, 100
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	cfg.Limits.MaxInFlight = capacity
	s := kmstest.Run(t, cfg, files)
	h := kmstest.NewHolding(t, s, "default", s.Operator(t))
	for range strangers { // connections alone take nothing from anybody
		s.Dial(t)
	}
	s.Get(t, h.Token, "self")
	var waiting []kmstest.Wire
	// No caller gets all of the capacity: it takes two to use it up.
	for _, token := range []string{h.Token, h.Token, h.Token, s.Token(t, "default", "second", "kms:encrypt")} {
		w := s.Dial(t)
		w.Sayf(t, head+"Content-Length: 23\r\n\r\n{\"plaintext\"", h.Secret, token)
		waiting = append(waiting, w)
	}
	// A request that looked by itself could take the last place.
	require.Eventually(t, func() bool {
		return int(s.Admin(t, http.MethodGet, "status", "").Object(t)["in_flight"].(float64)) == capacity
	}, 10*time.Second, time.Millisecond)
	for _, path := range []string{"self", "/browser/api/v1/self", "/nothing"} {
		got := s.Call(t, h.Token, http.MethodGet, path, nil)
		got.Refused(t, http.StatusServiceUnavailable, "overloaded", path)
		assert.Equal(t, "1", got.Header.Get("Retry-After"))
	}
	assert.Equal(t, http.StatusOK, s.Admin(t, http.MethodGet, "livez", "").Status)
	assert.Equal(t, http.StatusOK, s.Admin(t, http.MethodGet, "readyz", "").Status)
	for _, w := range waiting {
		w.Sayf(t, ":\"aGVsbG8\"}")
	}
	for _, w := range waiting {
		got := w.Hear(t)
		require.NotNil(t, got)
		assert.Equal(t, http.StatusOK, got.Status, "%s", got.Body)
	}
	s.Get(t, h.Token, "self")
}

// Many callers at once all get their answers, on both protocols.
func TestLimit_ManyCallersAtOnce(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		const callers, calls = 32, 5
		h := kmstest.NewHolding(t, s, "default", s.Operator(t))
		failures := make([]error, callers)
		var group sync.WaitGroup
		for i := range callers {
			own := s.Apart(t, i%2 == 0)
			group.Go(func() {
				for range calls {
					got, err := own.Exchange(own.Request(t, h.Token, http.MethodPost, "elastic-keys/"+h.Secret+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}))
					if err == nil && got.Status != http.StatusOK {
						err = fmt.Errorf("%d %s", got.Status, got.Body)
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
	s, h := kmstest.Fixture(t)
	ctx, leave := context.WithCancel(context.WithoutCancel(t.Context()))
	defer leave()
	answers, failures := make([]kmstest.Answer, rivals), make([]error, rivals)
	refused := make(chan int, rivals)
	ask := func(i int) *http.Request {
		return s.Request(t, h.Token, http.MethodPost, "elastic-keys",
			kmstest.Kind{Name: fmt.Sprintf("rsa-%d", i), Algorithm: "RS256", KeySize: 2048}, kmstest.IdempotencyKey, fmt.Sprintf("rsa-%d", i))
	}
	var group sync.WaitGroup
	for i := range rivals {
		request := ask(i).WithContext(ctx)
		group.Go(func() {
			answers[i], failures[i] = s.Exchange(request)
			if answers[i].Status == http.StatusServiceUnavailable {
				refused <- i
			}
		})
	}
	first := <-refused
	s.Post(t, h.Token, "elastic-keys/"+h.Secret+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
	leave() // those who wait need not be served
	group.Wait()
	made := 0
	for i, got := range answers {
		switch {
		case failures[i] != nil:
			require.ErrorIs(t, failures[i], context.Canceled)
		case got.Status == http.StatusCreated:
			made++
		default:
			got.Refused(t, http.StatusServiceUnavailable, "overloaded", "too many")
			assert.NotEmpty(t, got.Header.Get("Retry-After"))
		}
	}
	assert.GreaterOrEqual(t, len(s.Get(t, h.Token, "elastic-keys?algorithm=RS256").Items(t)), made)
	require.Eventually(t, func() bool { // a refusal is not kept
		again := s.Call(t, h.Token, http.MethodPost, "elastic-keys", kmstest.Kind{Name: fmt.Sprintf("rsa-%d", first), Algorithm: "RS256", KeySize: 2048}, kmstest.IdempotencyKey, fmt.Sprintf("rsa-%d", first))
		return again.Status == http.StatusCreated
	}, 30*time.Second, 10*time.Millisecond)
}
