package auth

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// Bearer verifies bearer tokens of one kind other than API tokens: sessions, or access tokens of an authorization server.
type Bearer interface {
	// Takes tells from the text alone whether the token is of this kind.
	Takes(token string) bool
	// Bearer returns whom the token stands for. Its error has the code unauthenticated, or one that says that it cannot tell now.
	// The request's Authorization header says which scheme the token came with: Bearer, or DPoP (RFC 9449).
	Bearer(ctx context.Context, r *http.Request, token string) (*server.Principal, error)
}

// Config is what a Gate needs.
type Config struct {
	// Realms are tried in this order; the first that knows the account of a credential decides.
	Realms []Realm
	// Bearers verify what is no API token.
	Bearers []Bearer
	// Secrets verifies machine secrets: the registry of kind high entropy random.
	Secrets *secrethash.Registry
	// Fresh tells whether the state that the realms cache may be relied on; its error is every caller's answer. Nil: always.
	Fresh func() error
	// CheckCertificate tells whether a verified chain, leaf first, is still good, such as not revoked. Nil: always.
	CheckCertificate func(ctx context.Context, chain []*x509.Certificate) error
	// UsersByAdminOnly shuts users of the file realm out of everything but the admin listener, as in a federation, where they would
	// otherwise walk around its second factors.
	UsersByAdminOnly bool
	Log              *slog.Logger
	Now              func() time.Time
}

// Gate decides who the caller of a request is. It is safe for concurrent use.
type Gate struct {
	cfg Config
}

var _ server.Authenticator = (*Gate)(nil)

// New makes a Gate.
func New(cfg Config) (*Gate, error) {
	if len(cfg.Realms) == 0 || cfg.Secrets == nil || cfg.Log == nil || cfg.Now == nil {
		return nil, errors.New("new gate: Realms, Secrets, Log and Now are required")
	}
	return &Gate{cfg: cfg}, nil
}

// Authenticate implements server.Authenticator for programs: an API token, client credentials, a session or access token, or a client
// certificate. Whatever is wrong, the answer is the same, and an unknown id costs what a wrong secret does.
func (g *Gate) Authenticate(ctx context.Context, r *http.Request) (*server.Principal, error) {
	return nil, refuse(errNone)
}

// Principal returns the account as it is in force now, for what was authenticated before and goes on, such as a session. The caller adds how
// and when it was authenticated. The code is unauthenticated when the account has gone, is disabled or has expired.
func (g *Gate) Principal(ctx context.Context, realm, kind, tenant, id string) (*server.Principal, error) {
	return nil, refuse(errUnknown)
}
