package federation

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
)

// credential authenticates calls to a peer.
type credential interface {
	// apply puts the credential into a request. stale, if not nil, is to be called when the peer did not take it: the next one is new.
	apply(r *http.Request) (stale func(), err error)
}

// newCredential makes the credential that a configuration asks for. What it reads from secret files it reads anew with each use, so that a
// file may be replaced at any time. tokens sends requests to the token endpoint.
func newCredential(c AuthConfig, tokens *http.Client, now func() time.Time) credential {
	switch {
	case c.TokenURL != "":
		return &accessToken{config: c, client: tokens, now: now, turn: make(chan struct{}, 1)}
	case c.Method == AuthBearer:
		return bearer{c}
	case c.Method == AuthBasic:
		return basic{c}
	default:
		return anonymous{}
	}
}

// anonymous sends nothing: the peer asks for nothing, or knows this service by its client certificate.
type anonymous struct{}

func (anonymous) apply(*http.Request) (func(), error) { return nil, nil }

type bearer struct{ config AuthConfig }

func (b bearer) apply(r *http.Request) (func(), error) {
	token, err := b.config.Secret.ReadText()
	if err != nil {
		return nil, fmt.Errorf("read API token: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return nil, nil
}

type basic struct{ config AuthConfig }

func (b basic) apply(r *http.Request) (func(), error) {
	secret, err := b.config.Secret.ReadText()
	if err != nil {
		return nil, fmt.Errorf("read client secret: %w", err)
	}
	r.SetBasicAuth(b.config.ClientID, secret)
	return nil, nil
}

// accessToken exchanges client credentials for an access token (RFC 6749 section 4.4) and uses it until shortly before it expires.
type accessToken struct {
	config AuthConfig
	client *http.Client
	now    func() time.Time
	turn   chan struct{} // held by the one call that asks for a token

	mu    sync.Mutex
	token string    // guarded by mu
	until time.Time // guarded by mu: when another one is asked for
}

const (
	// assertionLifetime is how long an assertion is valid (RFC 7523 section 3).
	assertionLifetime = time.Minute
	// tokenMargin is the share of a token's lifetime at whose end it is not used any more.
	tokenMargin = 10
	// defaultTokenLifetime is for token endpoints that do not say expires_in.
	defaultTokenLifetime = time.Minute
	// maxTokenAnswer bounds the answer of a token endpoint, in bytes.
	maxTokenAnswer = 64 << 10

	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" // RFC 7523 section 2.2
)

func (a *accessToken) apply(r *http.Request) (func(), error) {
	token, err := a.current(r.Context())
	if err != nil {
		return nil, fmt.Errorf("get access token: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return func() { a.drop(token) }, nil
}

func (a *accessToken) current(ctx context.Context) (string, error) {
	if token := a.cached(); token != "" {
		return token, nil
	}
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	if token := a.cached(); token != "" {
		return token, nil
	}
	token, lifetime, err := a.ask(ctx)
	if err != nil {
		return "", err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.token, a.until = token, a.now().Add(lifetime-lifetime/tokenMargin)
	return token, nil
}

func (a *accessToken) cached() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.now().Before(a.until) {
		return a.token
	}
	return ""
}

func (a *accessToken) drop(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.token == token {
		a.token, a.until = "", time.Time{}
	}
}

// ask asks the token endpoint.
func (a *accessToken) ask(ctx context.Context) (token string, lifetime time.Duration, err error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if len(a.config.Scopes) > 0 {
		form.Set("scope", strings.Join(a.config.Scopes, " "))
	}
	if a.config.Method == AuthJWT {
		assertion, err := a.assertion()
		if err != nil {
			return "", 0, err
		}
		form.Set("client_id", a.config.ClientID)
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", assertion)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.config.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	if a.config.Method == AuthBasic {
		secret, err := a.config.Secret.ReadText()
		if err != nil {
			return "", 0, fmt.Errorf("read client secret: %w", err)
		}
		r.SetBasicAuth(url.QueryEscape(a.config.ClientID), url.QueryEscape(secret)) // RFC 6749 section 2.3.1
	}
	return a.exchange(r)
}

// exchange sends a token request and reads the answer (RFC 6749 section 5).
func (a *accessToken) exchange(r *http.Request) (token string, lifetime time.Duration, err error) {
	answer, err := a.client.Do(r)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxTokenAnswer))
	if err != nil {
		return "", 0, fmt.Errorf("read the token endpoint's answer: %w", err)
	}
	var said struct {
		Token     string  `json:"access_token"`
		Type      string  `json:"token_type"`
		ExpiresIn float64 `json:"expires_in"`
		Error     string  `json:"error"`
	}
	if err := json.Unmarshal(text, &said); err != nil {
		return "", 0, fmt.Errorf("the token endpoint answered %d without JSON", answer.StatusCode)
	}
	switch {
	case answer.StatusCode != http.StatusOK:
		return "", 0, fmt.Errorf("the token endpoint refused with %d %q", answer.StatusCode, said.Error)
	case said.Token == "" || !strings.EqualFold(said.Type, "Bearer"):
		return "", 0, errors.New("the token endpoint answered without a bearer token")
	}
	lifetime = defaultTokenLifetime
	if said.ExpiresIn > 0 && said.ExpiresIn < float64(time.Duration(1<<62)/time.Second) {
		lifetime = time.Duration(said.ExpiresIn * float64(time.Second))
	}
	return said.Token, lifetime, nil
}

// assertion is a JWT by which the client proves who it is (RFC 7523 section 3).
func (a *accessToken) assertion() (string, error) {
	text, err := a.config.Key.Read()
	if err != nil {
		return "", fmt.Errorf("read client key: %w", err)
	}
	defer clear(text)
	key, err := jwk.Parse(text)
	if err != nil {
		return "", fmt.Errorf("read client key: %w", err)
	}
	defer key.Zero()
	now := a.now()
	claims, err := json.Marshal(map[string]any{
		"iss": a.config.ClientID, "sub": a.config.ClientID, "aud": a.config.TokenURL, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(assertionLifetime).Unix(),
	})
	if err != nil {
		return "", err
	}
	return jws.Sign(key, jws.Header{Type: "JWT"}, claims)
}
