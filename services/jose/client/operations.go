package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// MaxInline is how many bytes of payload or plaintext an operation takes.
const MaxInline = 64 << 10

// Sign makes a JWS (RFC 7515).
func (j *JOSE) Sign(ctx context.Context, ask SignRequest) (*Made, error) {
	return call[Made](ctx, j, "sign", func(ctx context.Context) (*http.Response, error) { return j.api.SignJWS(ctx, ask) })
}

// Verify checks a JWS. One that does not verify is a [*Problem] with the code verification_failed.
func (j *JOSE) Verify(ctx context.Context, ask VerifyRequest) (*Verified, error) {
	return call[Verified](ctx, j, "verify", func(ctx context.Context) (*http.Response, error) { return j.api.VerifyJWS(ctx, ask) })
}

// Encrypt makes a JWE (RFC 7516).
func (j *JOSE) Encrypt(ctx context.Context, ask EncryptRequest) (*Made, error) {
	return call[Made](ctx, j, "encrypt", func(ctx context.Context) (*http.Response, error) { return j.api.EncryptJWE(ctx, ask) })
}

// Decrypt opens a JWE for the key that key names, or for whichever of its recipients is one of the tenant's (key ""). It returns the plaintext too.
func (j *JOSE) Decrypt(ctx context.Context, key, message string) ([]byte, *Decrypted, error) {
	ask := DecryptRequest{Message: message}
	if key != "" {
		ask.Key = &key
	}
	opened, err := call[Decrypted](ctx, j, "decrypt", func(ctx context.Context) (*http.Response, error) { return j.api.DecryptJWE(ctx, ask) })
	if err != nil {
		return nil, nil, err
	}
	plaintext, err := DecodeBytes(opened.Plaintext)
	if err != nil {
		return nil, nil, fmt.Errorf("decrypt: plaintext in the answer: %w", err)
	}
	return plaintext, opened, nil
}

// IssueJWT issues a token by a profile.
func (j *JOSE) IssueJWT(ctx context.Context, ask IssueRequest) (*Token, error) {
	return call[Token](ctx, j, fmt.Sprintf("issue token by profile %q", ask.Profile), func(ctx context.Context) (*http.Response, error) {
		return j.api.IssueJWT(ctx, ask)
	})
}

// VerifyJWT checks a token by a profile. A refusal is a [*Problem] whose code says why.
func (j *JOSE) VerifyJWT(ctx context.Context, profile, token string) (*VerifiedToken, error) {
	ask := VerifyTokenRequest{Profile: profile, Token: token}
	return call[VerifiedToken](ctx, j, fmt.Sprintf("verify token by profile %q", profile), func(ctx context.Context) (*http.Response, error) {
		return j.api.VerifyJWT(ctx, ask)
	})
}

// IssueSDJWT issues a Selective Disclosure JWT (RFC 9901) by a profile.
func (j *JOSE) IssueSDJWT(ctx context.Context, ask IssueSDJWT) (*Token, error) {
	return call[Token](ctx, j, fmt.Sprintf("issue SD-JWT by profile %q", ask.Profile), func(ctx context.Context) (*http.Response, error) {
		return j.api.IssueSDJWT(ctx, ask)
	})
}

// PresentSDJWT chooses what of an SD-JWT a verifier sees.
func (j *JOSE) PresentSDJWT(ctx context.Context, ask PresentSDJWT) (*Presented, error) {
	return call[Presented](ctx, j, "present SD-JWT", func(ctx context.Context) (*http.Response, error) { return j.api.PresentSDJWT(ctx, ask) })
}

// VerifySDJWT checks an SD-JWT by a profile.
func (j *JOSE) VerifySDJWT(ctx context.Context, ask VerifySDJWT) (*VerifiedSDJWT, error) {
	return call[VerifiedSDJWT](ctx, j, fmt.Sprintf("verify SD-JWT by profile %q", ask.Profile), func(ctx context.Context) (*http.Response, error) {
		return j.api.VerifySDJWT(ctx, ask)
	})
}

// Thumbprint computes the thumbprint of a public JWK (RFC 7638).
func (j *JOSE) Thumbprint(ctx context.Context, key json.RawMessage) (*Thumbprint, error) {
	return call[Thumbprint](ctx, j, "compute thumbprint", func(ctx context.Context) (*http.Response, error) {
		return j.api.Thumbprint(ctx, ThumbprintRequest{JWK: key})
	})
}
