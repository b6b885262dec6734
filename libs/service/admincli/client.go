package admincli

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

const (
	// prefix is where programs find the API.
	prefix = "/service/api/v1"
	// timeout bounds one request that is no export.
	timeout = 30 * time.Second
	// maxAnswer bounds an answer that is kept in memory, in bytes: a page of 1,000 events is the largest.
	maxAnswer = 16 << 20
	// attempts and patience bound how often and how long a service is asked that says to come back: somebody waits at the keyboard.
	attempts = 3
	patience = 2 * time.Second
)

// client calls the administration API of one service.
type client struct {
	url, token string
	http       *http.Client
}

// connect opens a client by the context file.
func (c Config) connect(contextFile string) (*client, error) {
	place, err := cli.LoadContext(contextFile)
	if err != nil {
		return nil, err
	}
	endpoint, err := place.Service(c.Product)
	if err != nil {
		return nil, err
	}
	roots, err := tlsconfig.LoadRoots(place.RootCertificate.String())
	if err != nil {
		return nil, fmt.Errorf("%w; the context file must name the root certificate that the service wrote when it first started", err)
	}
	made := &client{url: endpoint.URL}
	t := tlsconfig.ClientConfig(roots)
	if endpoint.HasCertificate() {
		pair, err := endpoint.ReadCertificate()
		if err != nil {
			return nil, err
		}
		made.url, t.Certificates = endpoint.MTLSURL, []tls.Certificate{pair}
	} else if made.token, err = endpoint.ReadCredential(); err != nil {
		return nil, fmt.Errorf("%w; the context file must name a client certificate, or a file that holds your credential", err)
	}
	made.http = &http.Client{
		Transport:     &http.Transport{TLSClientConfig: t, ForceAttemptHTTP2: true, ResponseHeaderTimeout: timeout, Proxy: http.ProxyFromEnvironment},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return made, nil
}

// answer is a response, read whole.
type answer struct {
	body []byte
	etag string
}

// call makes a request and reads the answer. One that the service could not take now is made again a few times; a sealed service only an
// operator can open.
func (c *client) call(ctx context.Context, method, path string, query url.Values, body any, header ...string) (answer, error) {
	if method == http.MethodPost {
		header = append(header, "Idempotency-Key", rand.Text())
	}
	for n := 1; ; n++ {
		got, wait, err := c.once(ctx, method, path, query, body, header)
		if err == nil || wait < 0 || wait > patience || n == attempts {
			return got, err
		}
		select {
		case <-ctx.Done():
			return answer{}, context.Cause(ctx)
		case <-time.After(max(wait, time.Duration(n)*200*time.Millisecond)):
		}
	}
}

// once makes one attempt. With an error comes how long to wait before the next; negative: there is no use.
func (c *client) once(ctx context.Context, method, path string, query url.Values, body any, header []string) (answer, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	response, err := c.send(ctx, method, path, query, body, header)
	if err != nil {
		return answer{}, -1, c.explain(err)
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return answer{}, -1, c.explain(err)
	}
	if response.StatusCode > 299 {
		wait, err := refusal(response, text)
		return answer{}, wait, err
	}
	return answer{body: text, etag: response.Header.Get("ETag")}, 0, nil
}

func (c *client) send(ctx context.Context, method, path string, query url.Values, body any, header []string) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	target := strings.TrimRight(c.url, "/") + prefix + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, target, content)
	if err != nil {
		return nil, err
	}
	if method == http.MethodPatch {
		r.Header.Set("Content-Type", "application/merge-patch+json")
	} else if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return c.http.Do(r)
}

// refusal is the error of an answer that is a problem (RFC 9457), and whether to ask again.
func refusal(response *http.Response, text []byte) (time.Duration, error) {
	var p problem.Document
	if err := json.Unmarshal(text, &p); err != nil || p.Code == "" {
		return -1, fmt.Errorf("%s answers %s with something that is no problem document; is it the service?", response.Request.URL.Host, response.Status)
	}
	wait := time.Duration(-1)
	if seconds, err := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 16); err == nil && p.Code != problem.Sealed {
		wait = time.Duration(seconds) * time.Second
	}
	return wait, &refusedError{p}
}

// explain adds to an error of the connection what can be done.
func (c *client) explain(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // the rest repeats the address
	}
	var certificate *tls.CertificateVerificationError
	var network net.Error
	var alert tls.AlertError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing answers at %s; start the service, or correct the context file: %w", c.url, err)
	case errors.As(err, &certificate):
		return fmt.Errorf("what answers at %s is not the service of the context file's root certificate: %w", c.url, err)
	case errors.As(err, &alert):
		return fmt.Errorf("%s refuses the client certificate of the context file; issue another one with credential certificate: %w", c.url, err)
	case errors.As(err, &network) && network.Timeout():
		return fmt.Errorf("no answer from %s in time; status shows how the service is: %w", c.url, err)
	default:
		return fmt.Errorf("ask %s: %w", c.url, err)
	}
}

// refusedError is a problem that the service answered with.
type refusedError struct{ problem problem.Document }

// Error is code, detail and what to do.
func (e *refusedError) Error() string {
	text := e.problem.Title
	if e.problem.Detail != "" {
		text = e.problem.Detail
	}
	text = e.problem.Code + ": " + text
	for _, f := range e.problem.Errors {
		text += fmt.Sprintf("; %s %s", strings.ReplaceAll(strings.TrimPrefix(f.Pointer, "/"), "_", "-"), f.Detail)
	}
	if fix := fixes[e.problem.Code]; fix != "" {
		text += "; " + fix
	}
	if e.problem.Status >= http.StatusInternalServerError && e.problem.Code == problem.InternalError {
		text += "; the service's log has the cause under request id " + e.problem.RequestID
	}
	return text
}

// fixes say what to do about a problem.
var fixes = map[string]string{
	problem.Unauthenticated: "the context file's certificate or credential was refused: credential certificate makes another one",
	problem.StepUpRequired:  "name client_certificate, client_key and mtls_url in the context file; credential certificate makes them",
	problem.Forbidden:       "self shows what you may do",
	problem.Sealed:          "an operator opens the service with unseal",
	"precondition_failed":   "somebody else has changed it meanwhile: look, then repeat",
}
