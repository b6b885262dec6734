package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// KMS calls one service with one credential. It is safe for concurrent use.
type KMS struct {
	api     *Client // builds and sends requests
	http    *http.Client
	timeout time.Duration
	retry   retryPolicy
}

// New returns a client of the service that config names. It connects to nothing yet.
func New(config Config) (*KMS, error) {
	base, err := config.base()
	if err != nil {
		return nil, fmt.Errorf("kms client: %w", err)
	}
	if err := config.checkCredential(); err != nil {
		return nil, fmt.Errorf("kms client: %w", err)
	}
	if config.Timeout < 0 || config.Backoff < 0 {
		return nil, errors.New("kms client: Timeout and Backoff must not be negative")
	}
	if config.Timeout == 0 {
		config.Timeout = defaultTimeout
	}

	httpClient := &http.Client{
		Transport: transport(config),
		// A redirect would carry the credential and the plaintext elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	api, err := NewClient(base, WithHTTPClient(httpClient), WithRequestEditorFn(authorize(config)))
	if err != nil {
		return nil, fmt.Errorf("kms client: %w", err)
	}
	return &KMS{api: api, http: httpClient, timeout: config.Timeout, retry: newRetryPolicy(config)}, nil
}

// Close closes the connections that no call uses.
func (k *KMS) Close() { k.http.CloseIdleConnections() }

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
func authorize(config Config) RequestEditorFn {
	return func(_ context.Context, r *http.Request) error {
		switch {
		case config.Token != "":
			r.Header.Set("Authorization", "Bearer "+config.Token)
		case config.ClientID != "":
			r.SetBasicAuth(config.ClientID, config.ClientSecret)
		}
		r.Header.Set("Accept", "application/json, application/problem+json")
		r.Header.Set("User-Agent", "cryptoutil-kms-client")
		return nil
	}
}
