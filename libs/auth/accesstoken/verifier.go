package accesstoken

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/federation"
)

// Realm is the realm of every principal that comes with an access token.
const Realm = "identity"

// Config is what a Verifier stands on.
type Config struct {
	// Product begins the scopes that are taken over: "kms" those that begin with "kms:". All others are left out.
	Product string
	// Audience is what every token must name as its audience.
	Audience string
	// Issuers are those whose tokens are taken.
	Issuers []Issuer
	// Introspector asks the authorization server about tokens. Without it only short-lived JWTs without administrative scopes are taken.
	Introspector Introspector
	// Fallback is what is done while the authorization server is away: federation.FallbackReject (also "") or federation.FallbackLocal.
	Fallback string
	// Away tells that the authorization server is away; nil for never. With FallbackReject every token is refused then.
	Away func() bool
	// AdminScope tells which scopes the authorization server is asked about with each use, such as those of operations under step-up; nil
	// for those that end in ":admin" or ":tenants".
	AdminScope func(scope string) bool
	// Origins are the scheme and authority of the URLs at which callers reach this service, such as "https://kms.example:8080"; DPoP proofs
	// are for these. Empty: https with whatever the request names as its host.
	Origins []string
	// Replays remembers DPoP proofs; nil for a memory of this process, see NewReplays.
	Replays Replays
	// Nonces, if not nil, are demanded in DPoP proofs.
	Nonces Nonces
	// Epochs, if not nil, tells which tokens have been withdrawn with all others of their subject.
	Epochs Epochs
	// Remember is how many verified tokens, answers about tokens and keys of proofs, each, are kept in memory; 0 for DefaultRemember.
	Remember int
	Now      func() time.Time
}

// Issuer is an authorization server, or one tenant of one.
type Issuer struct {
	// ID is the "iss" of its tokens, which is compared as it is.
	ID string
	// Tenant is the tenant of this service whose callers its tokens are for.
	Tenant string
	// Keys are its published keys.
	Keys Keys
}

// Keys finds public keys. *federation.KeySet is one.
type Keys interface {
	// Key returns the key of an id: the same pointer as long as the set is the same. federation.ErrUnknownKey if there is none.
	Key(ctx context.Context, id string) (*jwk.Key, error)
}

// Epochs is reserved for tokens that say, in a claim "epoch", in which epoch of their subject they were issued: the number that grows when all
// tokens and sessions of the subject are withdrawn. Tokens without the claim are not asked about.
type Epochs interface {
	// Current is the epoch of a subject. Errors have a code.
	Current(tenant, subject string) (int64, error)
}

// DefaultRemember bounds the verified tokens in memory, at about a kilobyte each.
const DefaultRemember = 10_000

// Verifier admits the holders of access tokens. It is safe for concurrent use.
type Verifier struct {
	cfg        Config
	prefix     string            // of this product's scopes
	issuers    map[string]Issuer // by id
	origins    []string
	algorithms []string

	digests   *digester
	headers   *headers
	verified  *memory[known]
	questions *memory[question]
	provers   *memory[prover]
}

var _ auth.Bearer = (*Verifier)(nil)

// New makes a Verifier.
func New(cfg Config) (*Verifier, error) {
	if cfg.Product == "" || cfg.Audience == "" || len(cfg.Issuers) == 0 || cfg.Now == nil {
		return nil, errors.New("new verifier of access tokens: Product, Audience, Issuers and Now are required")
	}
	if !slices.Contains([]string{"", federation.FallbackReject, federation.FallbackLocal}, cfg.Fallback) {
		return nil, fmt.Errorf("new verifier of access tokens: unknown fallback %q", cfg.Fallback)
	}
	cfg = cfg.withDefaults()
	digests, err := newDigester()
	if err != nil {
		return nil, fmt.Errorf("new verifier of access tokens: %w", err)
	}
	v := &Verifier{
		cfg: cfg, prefix: cfg.Product + ":", issuers: map[string]Issuer{}, algorithms: algorithms(),
		digests: digests, headers: newHeaders(), verified: newMemory[known](cfg.Remember), questions: newMemory[question](cfg.Remember), provers: newMemory[prover](cfg.Remember),
	}
	for _, issuer := range cfg.Issuers {
		if _, twice := v.issuers[issuer.ID]; twice || issuer.ID == "" || issuer.Tenant == "" || issuer.Keys == nil {
			return nil, fmt.Errorf("new verifier of access tokens: issuer %q needs an ID of its own, Tenant and Keys", issuer.ID)
		}
		v.issuers[issuer.ID] = issuer
	}
	for _, text := range cfg.Origins {
		origin, err := parseOrigin(text)
		if err != nil {
			return nil, fmt.Errorf("new verifier of access tokens: %w", err)
		}
		v.origins = append(v.origins, origin)
	}
	return v, nil
}

func (c Config) withDefaults() Config {
	if c.Fallback == "" {
		c.Fallback = federation.FallbackReject
	}
	if c.Away == nil {
		c.Away = func() bool { return false }
	}
	if c.AdminScope == nil {
		c.AdminScope = func(scope string) bool {
			return strings.HasSuffix(scope, ":admin") || strings.HasSuffix(scope, ":tenants")
		}
	}
	if c.Replays == nil {
		c.Replays = NewReplays(0, c.Now)
	}
	if c.Remember <= 0 {
		c.Remember = DefaultRemember
	}
	return c
}
