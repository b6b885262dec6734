package authority

import (
	"context"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/naming"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Revocation is a token that is refused although it has not expired.
type Revocation struct {
	Tenant    string
	ProfileID string
	TokenID   string // `jti`
	// ExpiresAt is when the token is refused anyway.
	ExpiresAt time.Time
	CreatedAt time.Time
}

// RevocationStore keeps revocations.
type RevocationStore interface {
	// Revoke stores a revocation; one that is there already stays, until the later of the two times.
	Revoke(ctx context.Context, revocation Revocation) error
	// Revoked tells whether a token is revoked. It is read for each request: no replica takes a token after another has revoked it.
	Revoked(ctx context.Context, tenant, profileID, tokenID string) (bool, error)
	// ForgetRevocations removes those of tokens that have expired before the time.
	ForgetRevocations(ctx context.Context, tenant string, before time.Time) error
}

// maxTokenID bounds a `jti`, in bytes.
const maxTokenID = 255

// Revoke has a profile's token refused from now on. expiresAt is the token's `exp`; zero stands for the longest that the profile's tokens live.
func (a *Authority) Revoke(ctx context.Context, caller Caller, ref naming.Ref, tokenID string, expiresAt time.Time) (Revocation, error) {
	if err := decideScope(caller, OpRevoke); err != nil {
		return Revocation{}, err
	}
	profile, err := a.profile(ctx, caller.Tenant, ref)
	if err != nil {
		return Revocation{}, err
	}
	if !profile.Revocation {
		return Revocation{}, problem.New(problem.InvalidState, "the profile does not ask for revocation; to revoke its tokens it must")
	}
	if tokenID == "" || len(tokenID) > maxTokenID || !naming.Storable(tokenID) {
		return Revocation{}, invalid("/jti", "1 to %d bytes", maxTokenID)
	}
	now := a.instant()
	if expiresAt.IsZero() {
		expiresAt = now.Add(MaxTokenLifetime)
	}
	if expiresAt.After(now.Add(MaxTokenLifetime)) {
		return Revocation{}, invalid("/expires_at", "no token lives longer than %d days", MaxTokenLifetime/(24*time.Hour))
	}
	revocation := Revocation{Tenant: profile.Tenant, ProfileID: profile.ID, TokenID: tokenID, ExpiresAt: expiresAt, CreatedAt: now}
	err = a.store.InTx(ctx, func(ctx context.Context) error {
		if err := a.store.Revoke(ctx, revocation); err != nil {
			return err
		}
		return a.recordProfile(ctx, ActionRevoke, profile)
	})
	if err != nil {
		return Revocation{}, fmt.Errorf("revoke token: %w", err)
	}
	return revocation, nil
}
