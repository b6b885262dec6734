package accesstoken

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/federation"
)

// Deps are what [Open] cannot take from the federation; see [Config].
type Deps struct {
	Product    string
	AdminScope func(scope string) bool
	Origins    []string
	Replays    Replays
	Nonces     Nonces
	Epochs     Epochs
	Now        func() time.Time
}

// Configured tells whether access tokens are taken: a federation with Identity that names issuers.
func Configured(c federation.Config) bool {
	return c.Enabled && c.Identity.AuthzURL != "" && len(c.Identity.Issuers) > 0
}

// Paths of an authorization server, below an issuer's.
const (
	keysPath       = "/.well-known/jwks.json"
	introspectPath = "/oauth2/v1/introspect"
)

// Open makes the Verifier of a service whose federation has Identity. Keys and answers come from that peer, at the paths below the issuers' own:
// the issuer https://id.example/t/blue has its keys at /t/blue/.well-known/jwks.json of the peer, whatever the peer's address inside is.
func Open(f *federation.Federation, c federation.IdentityConfig, deps Deps) (*Verifier, error) {
	peer, ok := f.Peer(federation.Identity)
	if !ok {
		return nil, errors.New("open access tokens: the federation has no Identity")
	}
	stale := c.Fallback == federation.FallbackLocal
	var issuers []Issuer
	for _, id := range slices.Sorted(maps.Keys(c.Issuers)) {
		base, err := below(peer, id)
		if err != nil {
			return nil, fmt.Errorf("open access tokens: %w", err)
		}
		issuers = append(issuers, Issuer{ID: id, Tenant: c.Issuers[id], Keys: federation.NewKeySet(base+keysPath, peer.Do, stale, deps.Now)})
	}
	return New(Config{
		Product: deps.Product, Audience: c.Audience, Issuers: issuers, Introspector: introspector{peer}, Fallback: c.Fallback,
		Away: func() bool { return !peer.Up() }, AdminScope: deps.AdminScope, Origins: deps.Origins,
		Replays: deps.Replays, Nonces: deps.Nonces, Epochs: deps.Epochs, Now: deps.Now,
	})
}

// below is the peer's URL for an issuer.
func below(peer *federation.Peer, issuer string) (string, error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", fmt.Errorf("issuer %q is not an https URL without query and fragment", issuer) // RFC 8414 section 2
	}
	return peer.URL() + strings.TrimSuffix(u.EscapedPath(), "/"), nil
}

// introspector asks Identity (RFC 7662).
type introspector struct{ peer *federation.Peer }

// maxAnswer bounds an answer about a token, in bytes.
const maxAnswer = 64 << 10

// Introspect implements Introspector. The peer's timeout bounds it.
func (i introspector) Introspect(ctx context.Context, issuer, token string) ([]byte, error) {
	base := i.peer.URL()
	if issuer != "" {
		var err error
		if base, err = below(i.peer, issuer); err != nil {
			return nil, err
		}
	}
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+introspectPath, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Idempotency-Key", rand.Text()) // it changes nothing, so that it may be repeated
	answer, err := i.peer.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	media, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	switch {
	case err != nil:
		return nil, &federation.UnavailableError{Peer: i.peer.Name(), Err: fmt.Errorf("read answer: %w", err)}
	case answer.StatusCode != http.StatusOK: // 401 too: it is this service that is not let in
		return nil, fmt.Errorf("%s answered %d", i.peer.Name(), answer.StatusCode)
	case media != "application/json" || len(text) > maxAnswer:
		return nil, fmt.Errorf("%s answered with what is no JSON of at most %d bytes", i.peer.Name(), maxAnswer)
	}
	return text, nil
}
