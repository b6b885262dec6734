package authority

import (
	"context"
	"errors"
	"fmt"
	"time"

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
	// CertificateChain has tokens carry the certificates of the key that signs (`x5c`), while it has some that are valid, and accepts tokens
	// that do.
	CertificateChain bool
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
	// MaxInflated is how many bytes a nested token that was compressed before it was encrypted may inflate to; 0 refuses such a token.
	MaxInflated int
	// Trusted are somebody else's keys in headers, by which and by Algorithms tokens are verified. Such a profile issues nothing either.
	Trusted TrustedKeys
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
