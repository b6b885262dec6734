package authority

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwt"
	"github.com/cryptoutil/cryptoutil/libs/server/naming"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// checkProfile holds a profile to what it can be and to the key that it names, whose reference it resolves.
func (a *Authority) checkProfile(ctx context.Context, profile *Profile) error {
	if err := profile.TokenPolicy.check(); err != nil {
		return err
	}
	if len(profile.Description) > maxDescription || !naming.Storable(profile.Description) {
		return invalid("/description", "a description is UTF-8 of at most %d bytes, without U+0000", maxDescription)
	}
	if err := a.checkEncryption(ctx, profile); err != nil {
		return err
	}
	if profile.Trusted.Any() {
		return a.checkTrusted(profile)
	}
	if profile.KeySetURL != "" {
		return a.checkRemote(profile)
	}
	if len(profile.Algorithms) > 0 {
		return invalid("/algorithms", "the key of the profile says which algorithm it has")
	}
	ring, err := a.keyOf(ctx, profile.Tenant, "/key", profile.KeyID)
	switch {
	case err != nil:
		return err
	case ring.Key.Use != alg.UseSign && ring.Key.Use != alg.UseMAC:
		return problem.New("wrong_key_use", "the key is for %s; tokens are signed", useNoun(ring.Key.Use))
	case profile.EdDSA && ring.Key.Algorithm != "Ed25519":
		return invalid("/eddsa", "only the algorithm Ed25519 has an older name")
	case profile.Lifetime > ring.Key.TokenLifetime:
		return invalid("/lifetime_seconds", "at most the key's token_lifetime_seconds, %d", ring.Key.TokenLifetime/time.Second)
	}
	profile.KeyID = ring.Key.ID
	return nil
}

// keyOf finds the key that a member of a profile names.
func (a *Authority) keyOf(ctx context.Context, tenant, pointer, text string) (Ring, error) {
	ref := RefOf(text)
	if !ref.Names() {
		return Ring{}, invalid(pointer, "no such key")
	}
	ring, err := a.store.Ring(ctx, tenant, ref)
	if errors.Is(err, ErrNotFound) || err == nil && ring.Key.Status == KeyDestroyed {
		return Ring{}, invalid(pointer, "no such key")
	}
	if err != nil {
		return Ring{}, fmt.Errorf("load key: %w", err)
	}
	return ring, nil
}

// checkEncryption resolves the key that tokens are encrypted to.
func (a *Authority) checkEncryption(ctx context.Context, profile *Profile) error {
	if profile.MaxInflated < 0 || profile.MaxInflated > jwt.MaxToken {
		return invalid("/max_inflated_bytes", "from 1 to %d", jwt.MaxToken)
	}
	if profile.EncryptionKeyID == "" {
		if profile.MaxInflated > 0 {
			return invalid("/max_inflated_bytes", "only what is encrypted was compressed: the profile has no encryption_key")
		}
		return nil
	}
	ring, err := a.keyOf(ctx, profile.Tenant, "/encryption_key", profile.EncryptionKeyID)
	if err != nil {
		return err
	}
	if ring.Key.Use != alg.UseEncrypt {
		return problem.New("wrong_key_use", "the key is for %s; tokens are encrypted to it", useNoun(ring.Key.Use))
	}
	profile.EncryptionKeyID = ring.Key.ID
	return nil
}

// check holds a policy to its bounds.
func (p TokenPolicy) check() error {
	fits := func(text string, most int) bool { return text != "" && len(text) <= most && naming.Storable(text) }
	switch {
	case !fits(p.Type, maxType):
		return invalid("/typ", "1 to %d bytes", maxType)
	case !fits(p.Issuer, maxIssuer):
		return invalid("/issuer", "1 to %d bytes", maxIssuer)
	case len(p.Audience) == 0 || len(p.Audience) > maxAudience || slices.ContainsFunc(p.Audience, func(a string) bool { return !fits(a, maxIssuer) }):
		return invalid("/audience", "1 to %d audiences of 1 to %d bytes", maxAudience, maxIssuer)
	case p.Lifetime < time.Second || p.Lifetime > MaxTokenLifetime:
		return invalid("/lifetime_seconds", "from 1 to %d", MaxTokenLifetime/time.Second)
	case p.ClockSkew < 0 || p.ClockSkew > maxClockSkew:
		return invalid("/clock_skew_seconds", "from 0 to %d", maxClockSkew/time.Second)
	case len(p.RequiredClaims) > maxRequired || slices.ContainsFunc(p.RequiredClaims, func(c string) bool { return !fits(c, maxClaimName) }):
		return invalid("/required_claims", "at most %d names of 1 to %d bytes", maxRequired, maxClaimName)
	}
	return nil
}
