package guarded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"
)

// idleTimeout is how long an unused connection is kept; the name of its host is resolved anew after that.
const idleTimeout = 30 * time.Second

// Client fetches URLs under the rules of the package. It may be used by many goroutines at once.
type Client struct {
	http    *http.Client
	judge   judge
	dialer  *dialer
	plain   bool
	maxBody int64
}

// New makes a client. An error says what in the configuration cannot be.
func New(c Config) (*Client, error) {
	c, err := c.filled()
	if err != nil {
		return nil, fmt.Errorf("new guarded client: %w", err)
	}
	g := &Client{judge: newJudge(c.Allow), plain: c.PlainHTTP, maxBody: int64(c.MaxBody)}
	g.dialer = &dialer{judge: g.judge, resolver: c.Resolver, ports: c.Ports, timeout: c.ConnectTimeout}
	transport := &http.Transport{
		Proxy:                  nil, // the environment has no say in whom an outgoing request reaches
		DialContext:            g.dialer.dial,
		TLSClientConfig:        c.TLS.Clone(),
		TLSHandshakeTimeout:    c.ConnectTimeout,
		ResponseHeaderTimeout:  c.HeaderTimeout,
		MaxResponseHeaderBytes: int64(c.MaxHeader),
		DisableCompression:     true, // a small body must not become a large one
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           32,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        idleTimeout,
	}
	g.http = &http.Client{
		Transport:     guard{g, transport},
		Timeout:       c.Timeout,
		CheckRedirect: g.redirect(c.MaxRedirects),
	}
	return g, nil
}

// HTTP is the client for code that wants one of net/http. Every rule holds in it too.
func (g *Client) HTTP() *http.Client { return g.http }

// Do sends a request. The caller closes the body of the answer.
func (g *Client) Do(r *http.Request) (*http.Response, error) {
	return g.http.Do(r) //nolint:gosec // G704: what the transport judges is the guard against it
}

// Answer is an answer that was read whole.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Fetch sends a request and reads the answer whole.
func (g *Client) Fetch(r *http.Request) (Answer, error) {
	response, err := g.http.Do(r)
	if err != nil {
		return Answer{}, withoutQuery(err)
	}
	defer func() { _ = response.Body.Close() }() // only read
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return Answer{}, fmt.Errorf("read the answer of %s: %w", r.URL.Host, err)
	}
	return Answer{Status: response.StatusCode, Header: response.Header, Body: body}, nil
}

// withoutQuery names the host in an error instead of the URL, whose query may hold a secret.
func withoutQuery(err error) error {
	failed, ok := errors.AsType[*url.Error](err)
	if !ok {
		return err
	}
	host := "the URL"
	if u, parseErr := url.Parse(failed.URL); parseErr == nil {
		host = u.Host
	}
	return fmt.Errorf("%s %s: %w", failed.Op, host, failed.Err)
}

// Get fetches a URL. accept is the header of that name, or empty.
func (g *Client) Get(ctx context.Context, address, accept string) (Answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return Answer{}, err
	}
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	return g.Fetch(r)
}

// Dial connects over TCP to a host and port under the rules about addresses and ports, for protocols other than HTTP. The connection's own limits
// are the caller's.
func (g *Client) Dial(ctx context.Context, hostPort string) (net.Conn, error) {
	return g.dialer.dial(ctx, "tcp", hostPort)
}

// Check says whether a URL could be fetched as far as that shows without the network: its scheme, its parts, and a literal address. It
// is for refusing a URL when it is registered; a name is judged only when it is fetched.
func (g *Client) Check(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("%w: it cannot be parsed", ErrBlocked)
	}
	return g.check(u)
}

// CloseIdleConnections closes what is kept open for later requests.
func (g *Client) CloseIdleConnections() { g.http.CloseIdleConnections() }

func (g *Client) check(u *url.URL) error {
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !g.plain):
		return fmt.Errorf("%w: the scheme %q is not https", ErrBlocked, u.Scheme)
	case u.User != nil:
		return fmt.Errorf("%w: the URL holds credentials", ErrBlocked)
	case u.Hostname() == "" || u.Opaque != "":
		return fmt.Errorf("%w: the URL names no host", ErrBlocked)
	}
	if literal, err := netip.ParseAddr(u.Hostname()); err == nil {
		if reason := g.judge.refusal(literal); reason != "" {
			return &AddressError{Host: u.Hostname(), Address: literal, Reason: reason}
		}
	}
	return nil
}

// redirect judges a redirect before it is followed.
func (g *Client) redirect(limit int) func(*http.Request, []*http.Request) error {
	return func(next *http.Request, before []*http.Request) error {
		if limit == 0 {
			return http.ErrUseLastResponse
		}
		if len(before) > limit {
			return fmt.Errorf("%w (at most %d times)", ErrRedirects, limit)
		}
		first := before[0]
		if first.Method != http.MethodGet && first.Method != http.MethodHead {
			return http.ErrUseLastResponse // a body is for the one that it was written to
		}
		next.Header.Del("Referer") // queries are nobody else's business
		if slices.ContainsFunc(append(before, next), func(r *http.Request) bool { return !sameOrigin(first.URL, r.URL) }) {
			maps.DeleteFunc(next.Header, func(name string, _ []string) bool { return !slices.Contains(harmlessHeaders, name) })
		}
		return g.check(next.URL)
	}
}

// harmlessHeaders are all that a redirect takes along once it has left the first origin, even if it comes back: what else a request holds may be
// a credential.
var harmlessHeaders = []string{"Accept", "Accept-Language", "User-Agent"}

// sameOrigin compares scheme, host and port (RFC 6454 section 4).
func sameOrigin(a, b *url.URL) bool { return a.Scheme == b.Scheme && a.Host == b.Host }

// guard checks each request, redirected ones included, and bounds its answer.
type guard struct {
	client *Client
	next   *http.Transport
}

// RoundTrip implements http.RoundTripper.
func (t guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := t.client.check(r.URL); err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // the contract of RoundTripper
		}
		return nil, err
	}
	response, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if r.Method != http.MethodHead && response.ContentLength > t.client.maxBody {
		return nil, errors.Join(fmt.Errorf("%w: %d bytes", ErrTooLarge, response.ContentLength), response.Body.Close())
	}
	response.Body = &boundedBody{ReadCloser: response.Body, left: t.client.maxBody}
	return response, nil
}

// CloseIdleConnections is what http.Client looks for.
func (t guard) CloseIdleConnections() { t.next.CloseIdleConnections() }

// boundedBody fails, rather than ends, where the bound is crossed: a cut answer must not pass for a whole one.
type boundedBody struct {
	io.ReadCloser

	left int64
}

// Read implements io.Reader.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, ErrTooLarge
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n - 1, ErrTooLarge
	}
	return n, err
}
