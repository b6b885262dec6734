package authority

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwt"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Token is a token that was issued.
type Token struct {
	Used // the key that signed

	Text      string
	ID        string // `jti`
	ExpiresAt time.Time
	// Recipient is the key that a nested token is encrypted to; empty for one that is signed alone.
	Recipient Used
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

// Issue signs a token by a profile, which sets `iss`, `aud`, `iat`, `nbf`, `exp` and `jti`, and encrypts it where the profile says so.
func (a *Authority) Issue(ctx context.Context, caller Caller, ref Ref, ask NewToken) (Token, error) {
	i, err := a.issuing(ctx, caller, ref, ask)
	if err != nil {
		return Token{}, err
	}
	defer i.release()
	signer := *i.signer
	signer.ID = i.permit.version.KID()
	claims := jwt.Claims{Subject: ask.Subject, Audience: ask.Audience, Extra: ask.Claims}
	token := Token{Used: i.permit.used(i.permit.spec.Signature)}
	var issued jwt.Claims
	if i.profile.EncryptionKeyID == "" {
		token.Text, issued, err = i.tokens.Issue(&signer, claims)
	} else {
		recipient := *i.recipient.Key()
		recipient.ID = i.sealed.version.KID()
		token.Recipient = i.sealed.used(i.sealed.spec.Algorithm)
		token.Text, issued, err = i.tokens.IssueNested(&signer, &recipient, claims)
	}
	if err != nil {
		return Token{}, err
	}
	token.ID, token.ExpiresAt = issued.ID, issued.Expires
	return token, nil
}

// issuing is a profile with the keys by which it issues.
type issuing struct {
	profile   Profile
	tokens    *jwt.Authority
	permit    permit   // to sign
	held      *lease   // the caller releases it
	signer    *jwk.Key // held, as libraries sign with it
	sealed    permit   // to encrypt, where the profile says so
	recipient *lease   // likewise; the caller releases it
}

// issuing checks what was asked for against the profile, and opens its keys.
func (a *Authority) issuing(ctx context.Context, caller Caller, ref Ref, ask NewToken) (i issuing, err error) {
	if i.profile, err = a.profileFact(ctx, caller, OpIssue, ref); err != nil {
		return issuing{}, err
	}
	if i.profile.KeyID == "" {
		return issuing{}, problem.New(problem.InvalidState, "the profile verifies by the keys of somebody else; it issues nothing")
	}
	if ask.Lifetime < 0 || ask.Lifetime > i.profile.Lifetime {
		return issuing{}, invalid("/lifetime_seconds", "at most the profile's, %d", i.profile.Lifetime/time.Second)
	}
	for _, name := range append(registered(), "sub") {
		if _, given := ask.Claims[name]; given {
			return issuing{}, invalid("/claims", "the profile and the request's other members say what %s is", name)
		}
	}
	if i.permit, i.held, err = a.use(ctx, caller, OpIssue, Ref(i.profile.KeyID), 0); err != nil {
		return issuing{}, err
	}
	defer func() {
		if err != nil {
			i.release()
		}
	}()
	if i.signer, err = a.signer(ctx, i.permit, i.held); err != nil {
		return i, err
	}
	policy := i.profile.TokenPolicy
	// The profile may be older than a change of its key.
	policy.Lifetime = min(policy.Lifetime, i.permit.key.TokenLifetime)
	if ask.Lifetime != 0 {
		policy.Lifetime = min(policy.Lifetime, ask.Lifetime)
	}
	rules := policy.rules(i.profile.Name, i.permit.spec.Signature)
	if policy.EncryptionKeyID != "" {
		if i.sealed, i.recipient, err = a.use(ctx, caller, OpSeal, Ref(policy.EncryptionKeyID), 0); err != nil {
			return i, err
		}
		rules.encrypt(i.sealed.spec)
	}
	if i.tokens, err = jwt.New(rules.Profile, a.now); err != nil {
		return i, fmt.Errorf("profile %s: %w", i.profile.ID, err)
	}
	return i, nil
}

func (i *issuing) release() {
	i.held.Release()
	if i.recipient != nil {
		i.recipient.Release()
	}
}

// rules are a policy as package jwt has it.
type rules struct{ jwt.Profile }

func (p TokenPolicy) rules(name string, algorithms ...string) rules {
	required := slices.Clone(p.RequiredClaims)
	if p.Revocation && !slices.Contains(required, "jti") {
		required = append(required, "jti")
	}
	return rules{jwt.Profile{
		Name: name, Algorithms: algorithms, Type: p.Type, Issuer: p.Issuer, Audiences: p.Audience, Lifetime: p.Lifetime,
		Skew: p.ClockSkew, RequiredClaims: required, LegacyEdDSAName: p.EdDSA, CertificateChain: p.CertificateChain,
		Allow: p.Trusted.allow(),
	}}
}
