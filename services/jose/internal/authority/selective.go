package authority

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwt"
	"github.com/cryptoutil/cryptoutil/libs/crypto/sdjwt"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// NewSelective asks for an SD-JWT (RFC 9901) of a profile.
type NewSelective struct {
	NewToken

	// Selective are the claims, as JSON pointers (RFC 6901), that the holder may keep to himself.
	Selective []string
	// Decoys is how many digests of nothing each object and list gets that hides something.
	Decoys int
	// Hash is sha-256, sha-384 or sha-512; empty for the first.
	Hash string
	// Holder is the public JWK of the holder, who proves to have its private part; nil for none.
	Holder []byte
}

// IssueSelective signs an SD-JWT by a profile. The token has all its disclosures, for the holder.
func (a *Authority) IssueSelective(ctx context.Context, caller Caller, ref Ref, ask NewSelective) (Token, error) {
	i, err := a.issuing(ctx, caller, ref, ask.NewToken)
	if err != nil {
		return Token{}, err
	}
	defer i.release()
	if i.profile.EncryptionKeyID != "" {
		return Token{}, errNotSelective()
	}
	claims, err := i.tokens.Complete(jwt.Claims{Subject: ask.Subject, Audience: ask.Audience, Extra: ask.Claims})
	if err != nil {
		return Token{}, err
	}
	draft := sdjwt.Draft{
		Header: jws.Header{Algorithm: i.tokens.AlgorithmName(i.permit.spec.Signature), KeyID: i.permit.version.KID(), Type: i.profile.Type},
		Claims: membersOf(claims), Hash: ask.Hash, Decoys: ask.Decoys,
	}
	if i.profile.CertificateChain {
		draft.Header.Chain = i.signer.Certificates
	}
	if ask.Holder != nil {
		if draft.Holder, err = publicKey(ask.Holder); err != nil {
			return Token{}, err
		}
	}
	for _, pointer := range byDepth(ask.Selective) {
		if err := hide(draft.Claims, pointer); err != nil {
			return Token{}, err
		}
	}
	token, err := draft.Issue(i.signer)
	if err != nil {
		return Token{}, err
	}
	return Token{Used: i.permit.used(i.permit.spec.Signature), Text: token.String(), ID: claims.ID, ExpiresAt: claims.Expires}, nil
}

func errNotSelective() error {
	return problem.New(problem.InvalidState, "the profile's tokens are encrypted; an SD-JWT is not")
}

// membersOf are the claims as members of an object.
func membersOf(c jwt.Claims) map[string]any {
	members := make(map[string]any, len(c.Extra)+len(registered())+1)
	for name, value := range c.Extra {
		members[name] = value
	}
	members["iss"], members["jti"] = c.Issuer, c.ID
	members["iat"], members["nbf"], members["exp"] = c.IssuedAt.Unix(), c.NotBefore.Unix(), c.Expires.Unix()
	if c.Subject != "" {
		members["sub"] = c.Subject
	}
	members["aud"] = c.Audience
	if len(c.Audience) == 1 {
		members["aud"] = c.Audience[0]
	}
	return members
}

// publicKey reads a JWK that must not hold a private part.
func publicKey(text []byte) (*jwk.Key, error) {
	key, err := jwk.Parse(text)
	if err != nil {
		return nil, err
	}
	if key.IsPrivate() || key.IsSymmetric() {
		key.Zero()
		return nil, problem.New("invalid_jwk", "a public key is wanted here")
	}
	return key, nil
}

// byDepth sorts JSON pointers so that what is inside comes before what it is inside of.
func byDepth(pointers []string) []string {
	sorted := slices.Clone(pointers)
	slices.SortStableFunc(sorted, func(a, b string) int { return cmp.Compare(strings.Count(b, "/"), strings.Count(a, "/")) })
	return sorted
}

// hide leaves the claim at a JSON pointer to the holder's choice.
func hide(claims map[string]any, pointer string) error {
	steps := strings.Split(pointer, "/")
	if len(steps) < 2 || steps[0] != "" || slices.Contains(registered(), steps[1]) {
		return errNoClaim(pointer)
	}
	var at any = claims
	for i, step := range steps[1:] {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		last := i == len(steps)-2
		switch container := at.(type) {
		case map[string]any:
			value, there := container[step]
			if !there {
				return errNoClaim(pointer)
			}
			if at = value; last {
				return mark(value, pointer, func(s sdjwt.Selective) { container[step] = s })
			}
		case []any:
			n, err := strconv.Atoi(step)
			if err != nil || n < 0 || n >= len(container) || strconv.Itoa(n) != step {
				return errNoClaim(pointer)
			}
			if at = container[n]; last {
				return mark(container[n], pointer, func(s sdjwt.Selective) { container[n] = s })
			}
		default:
			return errNoClaim(pointer)
		}
	}
	return errNoClaim(pointer)
}

func mark(value any, pointer string, set func(sdjwt.Selective)) error {
	if _, twice := value.(sdjwt.Selective); twice {
		return invalid("/selective", "%.64q is named twice", pointer)
	}
	set(sdjwt.Selective{Value: value})
	return nil
}

func errNoClaim(pointer string) error {
	return invalid("/selective", "%.64q is no claim that can be left to the holder", pointer)
}

// Presentation asks for the part of an SD-JWT that its holder gives to a verifier.
type Presentation struct {
	Token string
	// Disclose are the claims that are given away, as JSON pointers; positions in lists count what is hidden.
	Disclose []string
	// Key, unless empty, is the holder's key here, by which he proves to Audience, who gave him Nonce, that the token is his.
	Key             Ref
	Audience, Nonce string
}

// Present makes a presentation. Without a key it is nobody's, and uses none.
func (a *Authority) Present(ctx context.Context, caller Caller, ask Presentation) (string, Used, error) {
	if err := decideScopeUnlessGranted(a, caller, OpSign); err != nil {
		return "", Used{}, err
	}
	token, err := sdjwt.Parse(ask.Token)
	if err != nil {
		return "", Used{}, malformed(err)
	}
	asked := map[string]bool{}
	for _, pointer := range ask.Disclose {
		asked[pointer] = false
	}
	chosen, err := token.Present(func(path string) bool {
		_, there := asked[path]
		if there {
			asked[path] = true
		}
		return there
	})
	if err != nil {
		return "", Used{}, malformed(err)
	}
	for _, pointer := range ask.Disclose {
		if !asked[pointer] {
			return "", Used{}, invalid("/disclose", "the token has no disclosure for %.64q", pointer)
		}
	}
	if ask.Key == "" {
		return chosen.String(), Used{}, decideScope(caller, OpSign)
	}
	p, held, err := a.use(ctx, caller, OpSign, ask.Key, 0)
	if err != nil {
		return "", Used{}, err
	}
	defer held.Release()
	holder, err := a.signer(ctx, p, held)
	if err != nil {
		return "", Used{}, err
	}
	bound, err := chosen.Bind(holder, p.spec.Signature, ask.Audience, ask.Nonce, a.now())
	if err != nil {
		return "", Used{}, malformed(err)
	}
	return bound.String(), p.used(p.spec.Signature), nil
}

// Proof is what a verifier asks of the holder's proof.
type Proof struct {
	Audience, Nonce string
	MaxAge          time.Duration
}

// VerifiedSelective is an SD-JWT that its profile accepts. Claims are those that are disclosed.
type VerifiedSelective struct {
	Verified

	// Holder is the public JWK that the holder proved to have; nil without a proof.
	Holder []byte
}

// VerifySelective checks an SD-JWT by a profile, as VerifyToken checks a token. proof is nil where the verifier asks for none.
func (a *Authority) VerifySelective(ctx context.Context, caller Caller, ref Ref, text string, proof *Proof) (VerifiedSelective, error) {
	profile, err := a.profileFact(ctx, caller, OpVerify, ref)
	if err != nil {
		return VerifiedSelective{}, err
	}
	if profile.EncryptionKeyID != "" {
		return VerifiedSelective{}, errNotSelective()
	}
	token, err := sdjwt.Parse(text)
	if err != nil {
		return VerifiedSelective{}, malformed(err)
	}
	v, err := a.verifying(ctx, caller, profile, token.JWT)
	if err != nil {
		return VerifiedSelective{}, err
	}
	defer v.release()
	expect := sdjwt.Expect{Profile: v.tokens}
	if proof != nil {
		expect.Binding = &sdjwt.Binding{Audience: proof.Audience, Nonce: proof.Nonce, MaxAge: proof.MaxAge, Skew: profile.ClockSkew, Now: a.now}
	}
	found, err := token.Verify(v.key, expect)
	if err != nil {
		if codeOf(err) == "invalid_sd_jwt" {
			return VerifiedSelective{}, err // disclosures or the holder's proof; the text says what is wrong
		}
		return VerifiedSelective{}, refusal(err)
	}
	if err := a.checkRevoked(ctx, profile, found.Claims.ID); err != nil {
		return VerifiedSelective{}, err
	}
	out := VerifiedSelective{Verified: Verified{Used: v.used}}
	if out.Claims, err = json.Marshal(found.Payload); err != nil {
		return VerifiedSelective{}, fmt.Errorf("encode claims: %w", err)
	}
	if found.Holder != nil {
		if out.Holder, err = found.Holder.MarshalPublic(); err != nil {
			return VerifiedSelective{}, fmt.Errorf("encode key of the holder: %w", err)
		}
	}
	return out, nil
}
