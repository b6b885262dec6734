package authority

import (
	"context"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwt"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Verified is a token that its profile accepts.
type Verified struct {
	Used // of a key that is somebody else's, the algorithm and the `kid` alone

	Claims []byte // JSON object
	// Recipient is the key that a nested token was encrypted to.
	Recipient Used
}

// encrypt has tokens nested: encrypted by a key of this spec.
func (r *rules) encrypt(spec alg.Spec) {
	r.Form, r.KeyManagement, r.Encryptions = jwt.Nested, []string{spec.KeyManagement}, []string{spec.ContentEncryption}
}

// VerifyToken checks a token by a profile. A refusal has a code that says why: "token_" and the reason.
func (a *Authority) VerifyToken(ctx context.Context, caller Caller, ref Ref, token string) (Verified, error) {
	profile, err := a.profileFact(ctx, caller, OpVerify, ref)
	if err != nil {
		return Verified{}, err
	}
	var out Verified
	if profile.EncryptionKeyID != "" {
		if token, out.Recipient, err = a.openToken(ctx, caller, profile, token); err != nil {
			return Verified{}, err
		}
	}
	v, err := a.verifying(ctx, caller, profile, token)
	if err != nil {
		return Verified{}, err
	}
	defer v.release()
	payload, _, err := v.tokens.Payload(v.key, token)
	if err != nil {
		return Verified{}, refusal(err)
	}
	claims, err := v.tokens.Check(payload)
	if err != nil {
		return Verified{}, refusal(err)
	}
	if err := a.checkRevoked(ctx, profile, claims.ID); err != nil {
		return Verified{}, err
	}
	out.Claims, out.Used = payload, v.used
	return out, nil
}

// openToken decrypts a nested token and returns the signed one.
func (a *Authority) openToken(ctx context.Context, caller Caller, profile Profile, token string) (string, Used, error) {
	message, err := jwe.Parse([]byte(token), jwe.Allow{MaxInflated: profile.MaxInflated})
	if err != nil {
		return "", Used{}, errMalformed(err)
	}
	if message.Serialization != jwe.Compact { // RFC 7519 section 1
		return "", Used{}, errMalformed(nil)
	}
	keyID, number, ok := ParseKID(message.Headers[0].KeyID)
	if !ok || keyID != profile.EncryptionKeyID {
		return "", Used{}, errNotForUs()
	}
	p, held, err := a.use(ctx, caller, OpOpen, Ref(profile.EncryptionKeyID), number)
	if problem.Is(err, problem.NotFound) {
		return "", Used{}, errNotForUs()
	}
	if err != nil {
		return "", Used{}, err
	}
	defer held.Release()
	// What signs is not known yet; that it is none of these two matters to nobody here.
	rules := profile.rules(profile.Name, "ES256")
	rules.encrypt(p.spec)
	rules.MaxInflated = profile.MaxInflated
	tokens, err := jwt.New(rules.Profile, a.now)
	if err != nil {
		return "", Used{}, fmt.Errorf("profile %s: %w", profile.ID, err)
	}
	inner, err := tokens.Open(held.Key(), token)
	if err != nil {
		return "", Used{}, refusal(err)
	}
	return inner, p.used(p.spec.Algorithm), nil
}

// verifying is a profile with the key that a token names.
type verifying struct {
	tokens  *jwt.Authority
	key     *jwk.Key
	used    Used
	release func()
}

// kidOf reads which key a signed token names.
func kidOf(token string, profile Profile) (string, error) {
	if !profile.CertificateChain {
		header, err := jws.ParseHeader(token)
		return header.KeyID, err
	}
	message, err := jws.Parse([]byte(token), jws.Allow{EmbeddedChain: true})
	if err != nil {
		return "", err
	}
	return message.Signatures[0].KeyID(), nil
}

// verifying finds the key that a signed token names: a version of the profile's key, or one of those that are somebody else's and that the profile
// trusts.
func (a *Authority) verifying(ctx context.Context, caller Caller, profile Profile, token string) (v verifying, err error) {
	if profile.Trusted.Any() {
		return a.verifyingTrusted(ctx, profile, token)
	}
	named, err := kidOf(token, profile)
	if err != nil {
		return verifying{}, errMalformed(err)
	}
	if profile.KeySetURL != "" {
		return a.verifyingRemote(ctx, profile, named)
	}
	keyID, number, ok := ParseKID(named)
	if !ok || keyID != profile.KeyID {
		number = 0 // the decision about the key comes first
	}
	p, held, err := a.use(ctx, caller, OpVerify, Ref(profile.KeyID), number)
	if problem.Is(err, problem.NotFound) && number != 0 {
		return verifying{}, errBadSignature() // the profile is there, and the version is not
	}
	if err != nil {
		return verifying{}, err
	}
	v = verifying{key: held.Key(), used: p.used(p.spec.Signature), release: held.Release}
	if number == 0 {
		err = errBadSignature()
	} else if v.tokens, err = jwt.New(profile.rules(profile.Name, p.spec.Signature).Profile, a.now); err != nil {
		err = fmt.Errorf("profile %s: %w", profile.ID, err)
	}
	if err != nil {
		held.Release()
		return verifying{}, err
	}
	return v, nil
}

// checkRevoked refuses a token whose `jti` was revoked, where the profile asks.
func (a *Authority) checkRevoked(ctx context.Context, profile Profile, tokenID string) error {
	if !profile.Revocation {
		return nil
	}
	revoked, err := a.store.Revoked(ctx, profile.Tenant, profile.ID, tokenID)
	if err != nil {
		return err
	}
	if revoked {
		return problem.New("token_revoked", "the token was revoked")
	}
	return nil
}

// profileFact is the profile that an operation is to go by.
func (a *Authority) profileFact(ctx context.Context, caller Caller, op Operation, ref Ref) (Profile, error) {
	if err := decideScope(caller, op); err != nil {
		return Profile{}, err
	}
	if !ref.Names() {
		return Profile{}, errNoProfile()
	}
	profile, err := a.store.ProfileFact(ctx, caller.Tenant, ref)
	if errors.Is(err, ErrNotFound) {
		return Profile{}, errNoProfile()
	}
	if err != nil {
		return Profile{}, fmt.Errorf("load profile: %w", err)
	}
	return profile, nil
}

// refusal says why package jwt refuses a token.
func refusal(err error) error {
	why, ok := errors.AsType[*jwt.Error](err)
	if !ok {
		return err
	}
	return problem.New("token_"+string(why.Reason), "%s", why.Error()).Because(err)
}

func errMalformed(err error) error {
	return problem.New("token_"+string(jwt.Malformed), "it is no token of the profile's form, or its header is refused").Because(err)
}

func errBadSignature() error {
	return problem.New("token_"+string(jwt.BadSignature), "it is not signed with the profile's key")
}

func errNotForUs() error {
	return problem.New("token_"+string(jwt.DecryptionFailed), "it is not encrypted to the profile's key")
}
