package acme

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

// AuthorizationStatus is the state of an authorization (RFC 8555 section 7.1.6).
type AuthorizationStatus string

// The states of authorizations. That one has expired follows from its time and is not stored.
const (
	AuthorizationPending     AuthorizationStatus = "pending"
	AuthorizationValid       AuthorizationStatus = "valid"
	AuthorizationInvalid     AuthorizationStatus = "invalid"
	AuthorizationDeactivated AuthorizationStatus = "deactivated" // by the account
	AuthorizationExpired     AuthorizationStatus = "expired"
)

// Authorization says that an account may have certificates for an identifier, once one of its challenges is fulfilled.
type Authorization struct {
	Tenant, ID, Account, Directory string
	// Identifier may be a wildcard: one that only certificates for it can use.
	Identifier validation.Identifier
	Status     AuthorizationStatus
	ExpiresAt  time.Time
	Challenges []Challenge
	// Remotes is how many remote perspectives were asked when it became valid.
	Remotes int
	// DueAt is when somebody must work on a challenge; zero for never. Whoever does moves it ahead, as a claim.
	DueAt                time.Time
	CreatedAt, UpdatedAt time.Time
	Revision             int64
}

// ChallengeStatus is the state of a challenge (RFC 8555 section 7.1.6).
type ChallengeStatus string

// The states of challenges.
const (
	ChallengePending    ChallengeStatus = "pending"
	ChallengeProcessing ChallengeStatus = "processing"
	ChallengeValid      ChallengeStatus = "valid"
	ChallengeInvalid    ChallengeStatus = "invalid"
)

// Challenge is one way to prove control. It is stored as JSON within its authorization.
type Challenge struct {
	Method validation.Method `json:"method"`
	Token  string            `json:"token"`
	Status ChallengeStatus   `json:"status"`
	// Thumbprint is that of the account's key, and AccountURL the account's URL, when the client said that it was ready.
	Thumbprint string `json:"thumbprint,omitempty"`
	AccountURL string `json:"account_url,omitempty"`
	// Attempts is how often it was looked at, Error what was found wrong last.
	Attempts    int        `json:"attempts,omitempty"`
	Error       *Error     `json:"error,omitempty"`
	ValidatedAt *time.Time `json:"validated_at,omitempty"`
}

// State is the status as of now.
func (a Authorization) State(now time.Time) AuthorizationStatus {
	if (a.Status == AuthorizationPending || a.Status == AuthorizationValid) && !now.Before(a.ExpiresAt) {
		return AuthorizationExpired
	}
	return a.Status
}

// challengeOf finds the challenge of a method.
func challengeOf(a *Authorization, method validation.Method) *Challenge {
	for i := range a.Challenges {
		if a.Challenges[i].Method == method {
			return &a.Challenges[i]
		}
	}
	return nil
}

// proofOf is the challenge that made the authorization valid.
func proofOf(a *Authorization) *Challenge {
	for i := range a.Challenges {
		if a.Challenges[i].Status == ChallengeValid {
			return &a.Challenges[i]
		}
	}
	return nil
}

// tokenSize is the number of random bytes in a token; section 8.1 wants 16 at least.
const tokenSize = 32

// draftAuthorization makes a pending authorization with all challenges that fit.
func (s *Server) draftAuthorization(site Site, account string, i validation.Identifier) (Authorization, error) {
	methods := site.Directory.methods(i)
	if len(methods) == 0 {
		return Authorization{}, NewError(RejectedIdentifier, "no challenge that is offered here proves control of %s", i).about(i)
	}
	now := s.now()
	a := Authorization{
		Tenant: site.Tenant, ID: newID(), Account: account, Directory: site.Directory.Name, Identifier: i, Status: AuthorizationPending,
		ExpiresAt: now.Add(site.Directory.pendingLifetime()), CreatedAt: now, UpdatedAt: now, Revision: 1,
	}
	// One token for all: what a client publishes for one challenge says nothing about another.
	token := make([]byte, tokenSize)
	if _, err := rand.Read(token); err != nil {
		return Authorization{}, fmt.Errorf("make token: %w", err)
	}
	for _, method := range methods {
		a.Challenges = append(a.Challenges, Challenge{Method: method, Token: base64.RawURLEncoding.EncodeToString(token), Status: ChallengePending})
	}
	return a, nil
}

// newAuthorization is the payload of section 7.4.1.
type newAuthorization struct {
	Identifier struct {
		Type  string `json:"type"`
		Value string `json:"value"`
	} `json:"identifier"`
}

// NewAuthorization begins the proof of an identifier before there is an order (RFC 8555 section 7.4.1).
func (s *Server) NewAuthorization(ctx context.Context, m *Message) (authorization Authorization, created bool, err error) {
	var ask newAuthorization
	if err := m.decode(&ask); err != nil {
		return Authorization{}, false, err
	}
	i, problem := parseIdentifier(ask.Identifier.Type, ask.Identifier.Value)
	if problem != nil {
		return Authorization{}, false, problem
	}
	if i.Wildcard() {
		return Authorization{}, false, NewError(Malformed, "wildcards are authorized by an order").about(i)
	}
	application := Application{
		Tenant: m.Site.Tenant, Directory: m.Site.Directory.Name, Account: m.Account.ID, Names: []validation.Identifier{i}, Profile: m.Site.Directory.Profiles[0].Name,
	}
	if err := s.issuer.Permits(ctx, application); err != nil {
		return Authorization{}, false, err
	}
	authorization, err = s.store.Proved(ctx, m.Site.Tenant, m.Account.ID, i, s.now().Add(provedMargin))
	if err == nil || !errors.Is(err, ErrNotFound) {
		return authorization, false, err
	}
	if err := s.spend(ctx, m.Site, NewOrders, m.Account.ID); err != nil {
		return Authorization{}, false, err
	}
	if authorization, err = s.draftAuthorization(m.Site, m.Account.ID, i); err != nil {
		return Authorization{}, false, err
	}
	err = s.change(ctx, m, func(ctx context.Context) error {
		if err := s.store.InsertAuthorization(ctx, authorization); err != nil {
			return err
		}
		return s.record(ctx, m.Site.Tenant, ActionAuthorizationCreate, ObjectAuthorization, authorization.ID, i.Value)
	})
	return authorization, true, err
}

// provedMargin is how long an authorization must still be valid to be used again.
const provedMargin = time.Hour

// authorization reads an account's own.
func (s *Server) authorization(ctx context.Context, m *Message, id string) (Authorization, error) {
	if !isID(id) {
		return Authorization{}, notFound("authorization")
	}
	a, err := s.store.Authorization(ctx, m.Site.Tenant, id)
	if errors.Is(err, ErrNotFound) || err == nil && (a.Account != m.Account.ID || a.Directory != m.Site.Directory.Name) {
		return Authorization{}, notFound("authorization")
	}
	if err != nil {
		return Authorization{}, fmt.Errorf("read authorization: %w", err)
	}
	return a, nil
}

// Authorization reads an authorization or deactivates it (RFC 8555 sections 7.5 and 7.5.2).
func (s *Server) Authorization(ctx context.Context, m *Message, id string) (Authorization, error) {
	a, err := s.authorization(ctx, m, id)
	if err != nil || m.IsRead() {
		return a, err
	}
	var ask struct {
		Status string `json:"status"`
	}
	if err := m.decode(&ask); err != nil {
		return Authorization{}, err
	}
	if ask.Status != string(AuthorizationDeactivated) {
		return Authorization{}, NewError(Malformed, "an authorization can be deactivated, and nothing else")
	}
	if now := s.now(); a.State(now) != AuthorizationPending && a.State(now) != AuthorizationValid {
		return Authorization{}, NewError(Malformed, "the authorization is %s", a.State(now))
	}
	a.Status, a.UpdatedAt, a.DueAt = AuthorizationDeactivated, s.now(), time.Time{}
	err = s.change(ctx, m, func(ctx context.Context) error {
		if err := s.store.UpdateAuthorization(ctx, a); err != nil {
			return changedMeanwhile(err)
		}
		return s.record(ctx, a.Tenant, ActionAuthorizationDeactivate, ObjectAuthorization, a.ID, a.Identifier.Value)
	})
	return a, err
}

// changedMeanwhile is what a client is told whose request lost against another one.
func changedMeanwhile(err error) error {
	if errors.Is(err, ErrStale) {
		return NewError(Malformed, "the object was changed at the same time; try again").withStatus(conflict)
	}
	return err
}
