package keyring

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// DataKeyRequest asks for a data key: of so many bits, or a pair.
type DataKeyRequest struct {
	// Bits is the length of a symmetric key, 256 if neither it nor Pair is given.
	Bits int
	// Pair is the kind of a key pair: P-256, P-384, P-521, RSA-2048, RSA-3072, RSA-4096 or Ed25519.
	Pair string
	// IncludePlaintext has the key returned beside its wrapped form.
	IncludePlaintext bool
	Context          Context
}

// DataKey is what GenerateDataKey returns.
type DataKey struct {
	Used
	// KeyText is the key itself, if it was asked for: octets, or a pair's private JWK.
	KeyText

	Wrapped string // compact JWE
	Public  []byte // a pair's public JWK
}

const defaultDataKeyBits = 256

// GenerateDataKey makes a key for use elsewhere and wraps it under the primary version.
func (k *Keyring) GenerateDataKey(ctx context.Context, caller Caller, ref Ref, ask DataKeyRequest) (DataKey, error) {
	// Who may not have a key must not have the service make one.
	caller, _, err := caller.with(ask.Context)
	if err != nil {
		return DataKey{}, err
	}
	if _, err := k.permit(ctx, caller, OpGenerateDataKey, ref, 0); err != nil {
		return DataKey{}, err
	}
	text, public, err := k.dataKey(ctx, ask)
	if err != nil {
		return DataKey{}, err
	}
	of, err := text.content()
	if err != nil {
		return DataKey{}, fmt.Errorf("data key: %w", err)
	}
	wrapped, err := k.seal(ctx, caller, OpGenerateDataKey, ref, ask.Context, of)
	if err != nil || !ask.IncludePlaintext {
		clear(of.text)
		text = KeyText{}
	}
	if err != nil {
		return DataKey{}, err
	}
	return DataKey{Used: wrapped.Used, KeyText: text, Wrapped: wrapped.Ciphertext, Public: public}, nil
}

// dataKey makes a key, with its public part where it has one.
func (k *Keyring) dataKey(ctx context.Context, ask DataKeyRequest) (text KeyText, public []byte, err error) {
	if ask.Pair != "" {
		if ask.Bits != 0 {
			return KeyText{}, nil, problem.New("validation_failed", "give bits for a symmetric key or key_pair, not both")
		}
		return k.keyPair(ctx, ask.Pair)
	}
	if ask.Bits == 0 {
		ask.Bits = defaultDataKeyBits
	}
	if !slices.Contains([]int{128, 192, 256, 512}, ask.Bits) {
		return KeyText{}, nil, problem.New("validation_failed", "a symmetric data key has 128, 192, 256 or 512 bits")
	}
	octets := make([]byte, ask.Bits/8)
	_, _ = rand.Read(octets) // never fails: it ends the process instead
	return KeyText{Octets: octets}, nil, nil
}

// pairSpec is an algorithm that runs on keys of the kind.
func pairSpec(kind string) (alg.Spec, error) {
	switch kind {
	case "P-256":
		return alg.ParseSpec("ES256", 0, "")
	case "P-384":
		return alg.ParseSpec("ES384", 0, "")
	case "P-521":
		return alg.ParseSpec("ES512", 0, "")
	case "RSA-2048":
		return alg.ParseSpec("RS256", 2048, "")
	case "RSA-3072":
		return alg.ParseSpec("RS256", 3072, "")
	case "RSA-4096":
		return alg.ParseSpec("RS256", 4096, "")
	case "Ed25519":
		return alg.ParseSpec("Ed25519", 0, "")
	default:
		return alg.Spec{}, problem.New("unsupported_algorithm", "a data key pair is P-256, P-384, P-521, RSA-2048, RSA-3072, RSA-4096 or Ed25519")
	}
}

// keyPair makes a pair that is for nothing in particular: its owner decides.
func (k *Keyring) keyPair(ctx context.Context, kind string) (KeyText, []byte, error) {
	spec, err := pairSpec(kind)
	if err != nil {
		return KeyText{}, nil, err
	}
	made, err := k.generator.Take(ctx, spec)
	if err != nil {
		return KeyText{}, nil, fmt.Errorf("generate data key: %w", err)
	}
	defer made.Zero()
	pair, err := jwk.FromMaterial(made.Material(), jwk.Attributes{ID: made.ThumbprintSHA256()})
	if err != nil {
		return KeyText{}, nil, fmt.Errorf("generate data key: %w", err)
	}
	return texts(pair)
}

// texts are a key's private JWK, and its public one where it has one.
func texts(key *jwk.Key) (KeyText, []byte, error) {
	private, err := key.MarshalPrivate()
	if err != nil {
		return KeyText{}, nil, fmt.Errorf("encode key: %w", err)
	}
	if key.IsSymmetric() {
		return KeyText{JWK: private}, nil, nil
	}
	public, err := key.Public()
	if err != nil {
		return KeyText{}, nil, fmt.Errorf("public part: %w", err)
	}
	text, err := public.MarshalPublic()
	if err != nil {
		return KeyText{}, nil, fmt.Errorf("encode public part: %w", err)
	}
	return KeyText{JWK: private}, text, nil
}
