package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// Bearer verifies bearer tokens of one kind other than API tokens: sessions, or access tokens of an authorization server.
type Bearer interface {
	// Recognizes tells from the text alone whether the token is of this kind.
	Recognizes(token string) bool
	// Authenticate returns whom the token stands for. Its error has the code unauthenticated, or one that says that it cannot tell now.
	// The request's Authorization header says which scheme the token came with: Bearer, or DPoP (RFC 9449).
	Authenticate(ctx context.Context, r *http.Request, token string) (*server.Principal, error)
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
	// UsersByAdminOnly shuts users of the file realm out of everything but the admin listener, as in a federation, where they would
	// otherwise walk around its second factors.
	UsersByAdminOnly bool
	// Verified is how many verified credentials are remembered; 0 for DefaultVerified.
	Verified int
	Log      *slog.Logger
	Now      func() time.Time
}

// DefaultVerified bounds the verified credentials in memory, at about 500 bytes each.
const DefaultVerified = 10_000

// Gate decides who the caller of a request is. It is safe for concurrent use.
type Gate struct {
	cfg      Config
	verified *verified
	// Methods of authentication (RFC 8176) as they stand in principals; nobody changes them.
	bySecret, byCertificate, byBoth []string
}

var _ server.Authenticator = (*Gate)(nil)

// New makes a Gate.
func New(cfg Config) (*Gate, error) {
	if len(cfg.Realms) == 0 || cfg.Secrets == nil || cfg.Log == nil || cfg.Now == nil {
		return nil, errors.New("new gate: Realms, Secrets, Log and Now are required")
	}
	if cfg.Verified == 0 {
		cfg.Verified = DefaultVerified
	}
	known, err := newVerified(cfg.Verified)
	if err != nil {
		return nil, fmt.Errorf("new gate: %w", err)
	}
	return &Gate{
		cfg: cfg, verified: known,
		bySecret: []string{methodSecret}, byCertificate: []string{methodCertificate}, byBoth: []string{methodSecret, methodCertificate},
	}, nil
}

// Methods in principals. "pwd" is registered (RFC 8176 section 2); the others are ours.
const (
	methodPassword    = "pwd"
	methodSecret      = "token"
	methodCertificate = "mtls"
)

// Authenticate implements server.Authenticator for programs: an API token, client credentials, a session or access token, or a client
// certificate. Whatever is wrong, the answer is the same, and an unknown id costs what a wrong secret does.
func (g *Gate) Authenticate(ctx context.Context, r *http.Request) (*server.Principal, error) {
	if g.cfg.Fresh != nil {
		if err := g.cfg.Fresh(); err != nil {
			return nil, err
		}
	}
	headers := r.Header["Authorization"]
	switch len(headers) {
	case 0:
		return g.certified(ctx, r, ClientRef{})
	case 1:
	default:
		return nil, refuse(errSeveral)
	}
	key := g.verified.key(headers[0])
	if known := g.verified.get(key); known != nil {
		return g.again(ctx, r, known)
	}
	return g.first(ctx, r, headers[0], key)
}

// first verifies a credential that was not seen before, or not lately.
func (g *Gate) first(ctx context.Context, r *http.Request, header string, key verifiedKey) (*server.Principal, error) {
	shown, err := read(r, header)
	switch {
	case err != nil:
		return nil, refuse(err)
	case shown.token != "":
		for _, bearer := range g.cfg.Bearers {
			if bearer.Recognizes(shown.token) {
				return bearer.Authenticate(ctx, r, shown.token)
			}
		}
		return nil, refuse(errKind)
	case shown.client != (ClientRef{}):
		return g.certified(ctx, r, shown.client)
	}
	made := shown.credential
	account, err := g.account(ctx, principalKind(made.Kind()), made.Tenant(), made.ID())
	if err != nil && !errors.Is(err, ErrUnknown) {
		return nil, err
	}
	secret, err := g.verify(ctx, made, account)
	if err != nil {
		return nil, refuse(fmt.Errorf("%s: %w", made, err))
	}
	rights, err := g.resolve(ctx, account)
	if err != nil {
		return nil, refusal(made, err)
	}
	known := &verifiedCredential{credential: made, rights: rights, secret: secret, proof: proof(methodSecret, secret.Hash)}
	principal, err := g.admit(ctx, r, known)
	if err == nil {
		g.verified.put(key, known)
	}
	return principal, err
}

// again admits a credential whose secret was right before, if that is still the account's secret. Everything else is decided anew.
func (g *Gate) again(ctx context.Context, r *http.Request, known *verifiedCredential) (*server.Principal, error) {
	was := known.rights.account
	account, err := g.account(ctx, was.Kind, was.Tenant, was.ID)
	if err != nil && !errors.Is(err, ErrUnknown) {
		return nil, err
	}
	if account == was {
		current, err := g.unchanged(ctx, known.rights)
		if err != nil {
			return nil, err
		}
		if current {
			return g.admit(ctx, r, known)
		}
	}
	header := r.Header["Authorization"][0]
	key := g.verified.key(header)
	g.verified.drop(key, known)
	return g.first(ctx, r, header, key)
}

// account asks the realms in order.
func (g *Gate) account(ctx context.Context, kind, tenant, id string) (*Account, error) {
	for _, realm := range g.cfg.Realms {
		account, err := realm.Account(ctx, kind, tenant, id)
		if !errors.Is(err, ErrUnknown) {
			return account, err
		}
	}
	return nil, ErrUnknown
}

// verify returns the account's secret that the credential holds. It does the same work without an account.
func (g *Gate) verify(ctx context.Context, made credential.Credential, account *Account) (Secret, error) {
	if account == nil || len(account.Secrets) == 0 {
		if err := g.cfg.Secrets.Spend(ctx, made.Secret()); err != nil {
			return Secret{}, err
		}
		return Secret{}, errUnknown
	}
	var found Secret
	err := errSecret
	for _, candidate := range account.Secrets {
		result, verifyErr := g.cfg.Secrets.Verify(ctx, made.Secret(), candidate.Hash)
		switch {
		case verifyErr != nil && err != nil:
			err = verifyErr
		case result.Match && (err != nil || outlives(candidate.ExpiresAt, found.ExpiresAt)):
			found, err = candidate, nil
		}
	}
	return found, err
}

// admit decides about an account whose credential is right.
func (g *Gate) admit(ctx context.Context, r *http.Request, known *verifiedCredential) (*server.Principal, error) {
	now := g.cfg.Now()
	if !known.secret.ExpiresAt.IsZero() && !now.Before(known.secret.ExpiresAt) {
		return nil, refusal(known.credential, errExpired)
	}
	if err := known.rights.inForce(now); err != nil {
		return nil, refusal(known.credential, err)
	}
	principal := *known.rights.principal
	principal.AuthenticatedAt, principal.Methods, principal.Credential = now, g.bySecret, known.proof
	principal.ExpiresAt = earlier(principal.ExpiresAt, known.secret.ExpiresAt)
	if principal.Kind == server.KindClient && presentsCertificate(r) {
		// Both stand for one client, or the certificate is for something else and counts for nothing.
		if who, err := g.certificateClient(ctx, r, ClientRef{principal.Tenant, principal.ID}); err == nil && who.ID == principal.ID {
			principal.Confirmed, principal.Methods = true, g.byBoth
		}
	}
	return &principal, nil
}

// earlier is the end that comes first; zero is no end.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// outlives tells whether end a comes after end b; zero is no end.
func outlives(a, b time.Time) bool { return a.IsZero() || !b.IsZero() && a.After(b) }
