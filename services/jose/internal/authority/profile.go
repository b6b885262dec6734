package authority

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/server/naming"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Profile is a named policy for tokens: what they say, how long they live, and what a verifier asks of them (RFC 8725 section 3).
type Profile struct {
	Tenant      string
	ID          string // UUIDv7
	Name        string
	Description string
	KeyID       string // of the key that signs and verifies; empty where KeySetURL is not
	TokenPolicy
	CreatedAt time.Time
	UpdatedAt time.Time
	Revision  int64 // counts changes
}

// TokenPolicy is the part of a profile that tokens are held to.
type TokenPolicy struct {
	// Type is the `typ` of the header, which keeps one kind of token from passing for another.
	Type string
	// EdDSA has tokens say "EdDSA" instead of "Ed25519" (RFC 9864), for clients that know no other name.
	EdDSA bool
	// Issuer is the `iss`.
	Issuer string
	// Audience are the `aud` that a token may have.
	Audience []string
	// Lifetime is how long a token lives unless its request says less.
	Lifetime time.Duration
	// ClockSkew is by how much the clock of another machine may differ.
	ClockSkew time.Duration
	// RequiredClaims must be there, beside those that every token has.
	RequiredClaims []string
	// EncryptionKeyID, unless empty, is the key that tokens are encrypted to once they are signed (RFC 7519 section 11.2).
	EncryptionKeyID string
	// KeySetURL, unless empty, is the public key set of somebody else, by whose keys and Algorithms tokens are verified. Such a profile issues
	// nothing.
	KeySetURL  string
	Algorithms []string
	// Revocation has a token refused whose `jti` was revoked.
	Revocation bool
}

// ProfileStore keeps profiles. Every change is heard by other replicas.
type ProfileStore interface {
	// InsertProfile stores a new profile; ErrNameTaken.
	InsertProfile(ctx context.Context, profile Profile) error
	// Profile reads one by UUID or name; ErrNotFound.
	Profile(ctx context.Context, tenant string, ref naming.Ref) (Profile, error)
	// ProfileFact is Profile for whoever uses it: what another replica has changed may show a second later.
	ProfileFact(ctx context.Context, tenant string, ref naming.Ref) (Profile, error)
	// Profiles reads up to limit profiles in order of id, from after the id given.
	Profiles(ctx context.Context, tenant, after string, limit int) ([]Profile, error)
	// UpdateProfile stores a changed profile if the row still has its revision; ErrStale otherwise. It returns the profile as it is now.
	UpdateProfile(ctx context.Context, profile Profile) (Profile, error)
	// DeleteProfile removes one of the revision given, with its revocations; ErrStale.
	DeleteProfile(ctx context.Context, profile Profile) error
}

// Bounds of profiles.
const (
	maxType           = 64
	maxIssuer         = 1024
	maxAudience       = 32
	maxClaimName      = 128
	maxRequired       = 64
	DefaultLifetime   = 5 * time.Minute
	DefaultClockSkew  = 30 * time.Second
	maxClockSkew      = tolerance
	defaultTokenTypes = "JWT"
)

// registered are the claims that the authority sets itself (RFC 7519 section 4.1).
func registered() []string { return []string{"iss", "aud", "iat", "nbf", "exp", "jti"} }

// CreateProfile makes a profile. KeyID is a reference to a key that signs.
func (a *Authority) CreateProfile(ctx context.Context, caller Caller, profile Profile) (Profile, error) {
	if err := decideScope(caller, OpProfile); err != nil {
		return Profile{}, err
	}
	if err := naming.Check(profile.Name); err != nil {
		return Profile{}, err
	}
	if profile.Type == "" {
		profile.Type = defaultTokenTypes
	}
	if profile.Lifetime == 0 {
		profile.Lifetime = DefaultLifetime
	}
	now := a.instant()
	profile.Tenant, profile.CreatedAt, profile.UpdatedAt, profile.Revision = caller.Tenant, now, now, 1
	if err := a.checkProfile(ctx, &profile); err != nil {
		return Profile{}, err
	}
	var err error
	if profile.ID, err = newID(); err != nil {
		return Profile{}, err
	}
	err = a.store.InTx(ctx, func(ctx context.Context) error {
		if err := a.store.InsertProfile(ctx, profile); err != nil {
			return err
		}
		return a.recordProfile(ctx, ActionCreateProfile, profile)
	})
	if errors.Is(err, ErrNameTaken) {
		return Profile{}, errNameTaken()
	}
	if err != nil {
		return Profile{}, fmt.Errorf("store profile: %w", err)
	}
	return profile, nil
}

func (a *Authority) recordProfile(ctx context.Context, action string, profile Profile) error {
	return a.events.Record(ctx, Event{Tenant: profile.Tenant, Action: action, Kind: ObjectProfile, ID: profile.ID})
}

// GetProfile reads a profile.
func (a *Authority) GetProfile(ctx context.Context, caller Caller, ref naming.Ref) (Profile, error) {
	if err := decideScope(caller, OpRead); err != nil {
		return Profile{}, err
	}
	return a.profile(ctx, caller.Tenant, ref)
}

func (a *Authority) profile(ctx context.Context, tenant string, ref naming.Ref) (Profile, error) {
	if !ref.Names() {
		return Profile{}, errNoProfile()
	}
	profile, err := a.store.Profile(ctx, tenant, ref)
	if errors.Is(err, ErrNotFound) {
		return Profile{}, errNoProfile()
	}
	if err != nil {
		return Profile{}, fmt.Errorf("load profile: %w", err)
	}
	return profile, nil
}

func errNoProfile() error { return problem.New(problem.NotFound, "no such profile") }

// ListProfiles reads up to limit profiles in order of creation, from after the id given.
func (a *Authority) ListProfiles(ctx context.Context, caller Caller, after string, limit int) ([]Profile, error) {
	if err := decideScope(caller, OpRead); err != nil {
		return nil, err
	}
	profiles, err := a.store.Profiles(ctx, caller.Tenant, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list profiles: %w", err)
	}
	return profiles, nil
}

// UpdateProfile replaces what a caller may change of a profile, as Update does of a key.
func (a *Authority) UpdateProfile(ctx context.Context, caller Caller, ref naming.Ref, revision int64, change func(Profile) (Profile, error)) (Profile, error) {
	if err := decideScope(caller, OpProfile); err != nil {
		return Profile{}, err
	}
	profile, err := a.profile(ctx, caller.Tenant, ref)
	if err != nil {
		return Profile{}, err
	}
	if profile.Revision != revision {
		return Profile{}, errChanged()
	}
	if profile, err = change(profile); err != nil {
		return Profile{}, err
	}
	if err := a.checkProfile(ctx, &profile); err != nil {
		return Profile{}, err
	}
	profile.UpdatedAt = a.instant()
	var changed Profile
	err = a.store.InTx(ctx, func(ctx context.Context) error {
		if changed, err = a.store.UpdateProfile(ctx, profile); err != nil {
			return err
		}
		return a.recordProfile(ctx, ActionUpdateProfile, changed)
	})
	if errors.Is(err, ErrStale) {
		return Profile{}, errChanged()
	}
	if err != nil {
		return Profile{}, fmt.Errorf("update profile: %w", err)
	}
	return changed, nil
}

// DeleteProfile removes a profile of the revision given.
func (a *Authority) DeleteProfile(ctx context.Context, caller Caller, ref naming.Ref, revision int64) error {
	if err := decideScope(caller, OpProfile); err != nil {
		return err
	}
	profile, err := a.profile(ctx, caller.Tenant, ref)
	if err != nil {
		return err
	}
	if profile.Revision != revision {
		return errChanged()
	}
	err = a.store.InTx(ctx, func(ctx context.Context) error {
		if err := a.store.DeleteProfile(ctx, profile); err != nil {
			return err
		}
		return a.recordProfile(ctx, ActionDeleteProfile, profile)
	})
	if errors.Is(err, ErrStale) {
		return errChanged()
	}
	if err != nil {
		return fmt.Errorf("delete profile: %w", err)
	}
	return nil
}

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
	if profile.EncryptionKeyID == "" {
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
