package keyring

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// GenerateRequest asks for a JWK of an algorithm that elastic keys can have.
type GenerateRequest struct {
	Algorithm string
	KeySize   int
	Curve     string
	Context   Context
}

// GeneratedKey is what Generate returns.
type GeneratedKey struct {
	Used

	Wrapped   string // compact JWE of the private JWK
	Public    []byte // public JWK; nil for a symmetric key
	Algorithm string
}

// Generate makes a JWK and encrypts it under the primary version. Its `kid` is its thumbprint (RFC 7638); a symmetric key, whose thumbprint
// is a hash of the secret, has none.
func (k *Keyring) Generate(ctx context.Context, caller Caller, ref Ref, ask GenerateRequest) (GeneratedKey, error) {
	caller, _, err := caller.with(ask.Context)
	if err != nil {
		return GeneratedKey{}, err
	}
	if _, err := k.permit(ctx, caller, OpGenerate, ref, 0); err != nil {
		return GeneratedKey{}, err
	}
	spec, err := alg.ParseSpec(ask.Algorithm, ask.KeySize, ask.Curve)
	if err != nil {
		return GeneratedKey{}, err
	}
	made, err := k.generator.Take(ctx, spec)
	if err != nil {
		return GeneratedKey{}, fmt.Errorf("generate: %w", err)
	}
	defer made.Zero()
	if !made.IsSymmetric() {
		made.ID = made.ThumbprintSHA256()
	}
	text, public, err := texts(made)
	if err != nil {
		return GeneratedKey{}, err
	}
	defer clear(text.JWK)
	wrapped, err := k.seal(ctx, caller, OpGenerate, ref, ask.Context, content{text: text.JWK, contentType: contentJWK})
	if err != nil {
		return GeneratedKey{}, err
	}
	return GeneratedKey{Used: wrapped.Used, Wrapped: wrapped.Ciphertext, Public: public, Algorithm: spec.Algorithm}, nil
}

// MaxRandom is how many random bytes one request gets.
const MaxRandom = 1024

// Random returns n random bytes, 1 to MaxRandom.
func (k *Keyring) Random(caller Caller, n int) ([]byte, error) {
	if err := decideScope(caller, OpGenerateRandom); err != nil {
		return nil, err
	}
	if n < 1 || n > MaxRandom {
		return nil, problem.New("validation_failed", "1 to %d bytes", MaxRandom)
	}
	out := make([]byte, n)
	_, _ = rand.Read(out) // never fails: it ends the process instead
	return out, nil
}
