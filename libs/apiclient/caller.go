package apiclient

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Caller calls one service with one credential. It is safe for concurrent use.
type Caller struct {
	base      string
	http      *http.Client
	authorize func(ctx context.Context, r *http.Request) error
	timeout   time.Duration
	retry     retryPolicy
}

// New returns a caller of the service that config names; product, such as "jose", is what errors and the User-Agent call it. It connects to
// nothing yet.
func New(product string, config Config) (*Caller, error) {
	base, err := config.base()
	if err != nil {
		return nil, fmt.Errorf("%s client: %w", product, err)
	}
	if err := config.checkCredential(); err != nil {
		return nil, fmt.Errorf("%s client: %w", product, err)
	}
	if config.Timeout < 0 || config.Backoff < 0 {
		return nil, fmt.Errorf("%s client: Timeout and Backoff must not be negative", product)
	}
	if config.Timeout == 0 {
		config.Timeout = defaultTimeout
	}
	client := &http.Client{
		Transport: transport(config),
		// A redirect would carry the credential and the plaintext elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &Caller{base: base, http: client, authorize: authorize(product, config), timeout: config.Timeout, retry: newRetryPolicy(config)}, nil
}

// Base is the address of the API, without a slash at its end.
func (c *Caller) Base() string { return c.base }

// HTTP sends requests, to which Authorize has added the credential.
func (c *Caller) HTTP() *http.Client { return c.http }

// Authorize adds the credential to a request, and who is calling.
func (c *Caller) Authorize(ctx context.Context, r *http.Request) error { return c.authorize(ctx, r) }

// Patient is c with a timeout of at least d.
func (c *Caller) Patient(d time.Duration) *Caller {
	patient := *c
	patient.timeout = max(c.timeout, d)
	return &patient
}

// Close closes the connections that no call uses.
func (c *Caller) Close() { c.http.CloseIdleConnections() }

// transport speaks TLS 1.3 with the approved key agreements, over HTTP/2 where the
// server offers it.
func transport(config Config) *http.Transport {
	var certificates []tls.Certificate
	if config.Certificate != nil {
		certificates = []tls.Certificate{*config.Certificate}
	}
	return &http.Transport{
		Proxy:       http.ProxyFromEnvironment,
		DialContext: (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig: &tls.Config{
			MinVersion:   tls.VersionTLS13,
			RootCAs:      config.Roots,
			Certificates: certificates,
			CurvePreferences: []tls.CurveID{
				tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.CurveP256, tls.CurveP384, tls.CurveP521,
			},
		},
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        90 * time.Second, // the server's is 120 s; the client lets go first
		MaxResponseHeaderBytes: 32 << 10,
	}
}

// authorize adds the credential and who is calling.
func authorize(product string, config Config) func(context.Context, *http.Request) error {
	return func(_ context.Context, r *http.Request) error {
		switch {
		case config.Token != "":
			r.Header.Set("Authorization", "Bearer "+config.Token)
		case config.ClientID != "":
			r.SetBasicAuth(config.ClientID, config.ClientSecret)
		}
		r.Header.Set("Accept", "application/json, application/problem+json")
		r.Header.Set("User-Agent", "cryptoutil-"+product+"-client")
		return nil
	}
}
