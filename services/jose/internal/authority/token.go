package authority

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwt"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Token is a JWT that was issued.
type Token struct {
	Made

	ID        string // `jti`
	ExpiresAt time.Time
}

// NewToken asks for a token of a profile.
type NewToken struct {
	Subject string
	// Audience is a part of the profile's; empty for all of it.
	Audience []string
	// Lifetime is at most the profile's; 0 for that.
	Lifetime time.Duration
	// Claims are those beside the registered ones.
	Claims map[string]any
}

// Issue signs a token by a profile, which sets `iss`, `aud`, `iat`, `nbf`, `exp` and `jti`.
func (a *Authority) Issue(ctx context.Context, caller Caller, ref Ref, ask NewToken) (Token, error) {
	profile, p, held, err := a.useProfile(ctx, caller, OpIssue, ref, 0)
	if err != nil {
		return Token{}, err
	}
	defer held.Release()
	if ask.Lifetime < 0 || ask.Lifetime > profile.Lifetime {
		return Token{}, invalid("/lifetime_seconds", "at most the profile's, %d", profile.Lifetime/time.Second)
	}
	for _, name := range append(registered(), "sub") {
		if _, given := ask.Claims[name]; given {
			return Token{}, invalid("/claims", "the profile and the request's other members say what %s is", name)
		}
	}
	policy := profile.TokenPolicy
	// The profile may be older than a change of its key.
	policy.Lifetime = min(policy.Lifetime, p.key.TokenLifetime)
	if ask.Lifetime != 0 {
		policy.Lifetime = min(policy.Lifetime, ask.Lifetime)
	}
	tokens, err := jwt.New(policy.profile(profile.Name, p.spec.Signature), a.now)
	if err != nil {
		return Token{}, fmt.Errorf("profile %s: %w", profile.ID, err)
	}
	signer := *held.Key()
	signer.ID = p.version.KID()
	text, issued, err := tokens.Issue(&signer, jwt.Claims{Subject: ask.Subject, Audience: ask.Audience, Extra: ask.Claims})
	if err != nil {
		return Token{}, err
	}
	return Token{Made: p.made(text, p.spec.Signature), ID: issued.ID, ExpiresAt: issued.Expires}, nil
}

// Verified is a token that its profile accepts.
type Verified struct {
	Claims  []byte // JSON object
	KeyID   string
	Version int64
	KID     string
}

// VerifyToken checks a token by a profile. A refusal has a code that says why: "token_" and the reason.
func (a *Authority) VerifyToken(ctx context.Context, caller Caller, ref Ref, token string) (Verified, error) {
	if err := decideScope(caller, OpVerify); err != nil {
		return Verified{}, err
	}
	header, err := jws.ParseHeader(token)
	if err != nil {
		return Verified{}, problem.New("token_malformed", "it is no token, or its header is refused").Because(err)
	}
	keyID, number, ok := ParseKID(header.KeyID)
	profile, p, held, err := a.useProfile(ctx, caller, OpVerify, ref, number)
	if problem.Is(err, problem.NotFound) && ok && profile.ID != "" {
		return Verified{}, errBadSignature() // the profile is there, and the version is not
	}
	if err != nil {
		return Verified{}, err
	}
	defer held.Release()
	if !ok || keyID != p.key.ID {
		return Verified{}, errBadSignature()
	}
	tokens, err := jwt.New(profile.profile(profile.Name, p.spec.Signature), a.now)
	if err != nil {
		return Verified{}, fmt.Errorf("profile %s: %w", profile.ID, err)
	}
	claims, err := tokens.Verify(held.Key(), token)
	if err != nil {
		return Verified{}, refusal(err)
	}
	if profile.Revocation {
		revoked, err := a.store.Revoked(ctx, profile.Tenant, profile.ID, claims.ID)
		if err != nil {
			return Verified{}, err
		}
		if revoked {
			return Verified{}, problem.New("token_revoked", "the token was revoked")
		}
	}
	content, err := payloadOf(held.Key(), token, p.spec.Signature)
	if err != nil {
		return Verified{}, err
	}
	return Verified{Claims: content, KeyID: p.key.ID, Version: p.version.Number, KID: p.version.KID()}, nil
}

// payloadOf is the content of a token as it was signed.
func payloadOf(key *jwk.Key, token, algorithm string) (json.RawMessage, error) {
	content, _, err := jws.Verify(key, token, jws.Expect{Algorithm: algorithm})
	if err != nil {
		return nil, fmt.Errorf("read claims: %w", err)
	}
	return content, nil
}

// useProfile is use for the key of a profile (version 0: the active one).
func (a *Authority) useProfile(ctx context.Context, caller Caller, op Operation, ref Ref, number int64) (Profile, permit, *lease, error) {
	if err := decideScope(caller, op); err != nil {
		return Profile{}, permit{}, nil, err
	}
	if !ref.Names() {
		return Profile{}, permit{}, nil, errNoProfile()
	}
	profile, err := a.store.ProfileFact(ctx, caller.Tenant, ref)
	if errors.Is(err, ErrNotFound) {
		return Profile{}, permit{}, nil, errNoProfile()
	}
	if err != nil {
		return Profile{}, permit{}, nil, fmt.Errorf("load profile: %w", err)
	}
	p, held, err := a.use(ctx, caller, op, Ref(profile.KeyID), number)
	return profile, p, held, err
}

// profile is the policy as package jwt has it.
func (p TokenPolicy) profile(name, algorithm string) jwt.Profile {
	required := slices.Clone(p.RequiredClaims)
	if p.Revocation && !slices.Contains(required, "jti") {
		required = append(required, "jti")
	}
	return jwt.Profile{
		Name: name, Algorithms: []string{algorithm}, Type: p.Type, Issuer: p.Issuer, Audiences: p.Audience, Lifetime: p.Lifetime,
		Skew: p.ClockSkew, RequiredClaims: required, LegacyEdDSAName: p.EdDSA,
	}
}

// refusal says why package jwt refuses a token.
func refusal(err error) error {
	var why *jwt.Error
	if !errors.As(err, &why) {
		return err
	}
	return problem.New("token_"+string(why.Reason), "%s", why.Error()).Because(err)
}

func errBadSignature() error {
	return problem.New("token_"+string(jwt.BadSignature), "it is not signed with the profile's key")
}
