package keyring

import (
	"context"
	"crypto"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/derivation"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/kdf"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// DeriveRequest asks for a secret. A key for HKDF takes Salt, Info and Length. A key for ECDH takes Peer, and with KDF the same three; without
// it the secret is the raw one.
type DeriveRequest struct {
	Salt, Info []byte
	Length     int
	Peer       []byte // public JWK
	KDF        string // hkdf-sha256, hkdf-sha384 or hkdf-sha512
	Version    int64  // 0: the primary one
}

// Derive derives a secret from a version. The same question has the same answer.
func (k *Keyring) Derive(ctx context.Context, caller Caller, ref Ref, ask DeriveRequest) (Secret, error) {
	p, err := k.permit(ctx, caller, OpDerive, ref, ask.Version)
	if err != nil {
		return Secret{}, err
	}
	algorithm, err := alg.LookupDerivation(p.spec.Derivation)
	if err != nil {
		return Secret{}, fmt.Errorf("derive: %w", err)
	}
	held, err := k.material(ctx, p)
	if err != nil {
		return Secret{}, err
	}
	defer held.release()
	var secret []byte
	if algorithm.Family == alg.HKDF {
		secret, err = ask.expand(held.key)
	} else {
		secret, err = ask.agree(held.key)
	}
	if err != nil {
		return Secret{}, err
	}
	k.count(p, len(secret))
	return Secret{Used: p.used(), Secret: secret}, nil
}

func (r DeriveRequest) expand(key *jwk.Key) ([]byte, error) {
	if len(r.Peer) > 0 || r.KDF != "" {
		return nil, problem.New("validation_failed", "peer and kdf are for keys of the algorithm ECDH")
	}
	secret, err := derivation.HKDF(key, r.Salt, r.Info, r.Length)
	if err != nil {
		return nil, fmt.Errorf("derive: %w", err)
	}
	return secret, nil
}

func (r DeriveRequest) agree(key *jwk.Key) ([]byte, error) {
	if len(r.Peer) == 0 {
		return nil, problem.New("validation_failed", "a key for ECDH needs the peer's public JWK")
	}
	hash, err := r.hash()
	if err != nil {
		return nil, err
	}
	peer, err := jwk.Parse(r.Peer)
	if err != nil {
		return nil, err
	}
	secret, err := derivation.Agree(key, peer)
	if err != nil {
		return nil, fmt.Errorf("derive: %w", err)
	}
	if hash == 0 {
		return secret, nil
	}
	defer clear(secret)
	derived, err := kdf.HKDF(hash, secret, r.Salt, string(r.Info), r.Length)
	if err != nil {
		return nil, fmt.Errorf("derive: %w", err)
	}
	return derived, nil
}

// hash is that of the derivation that follows an agreement; 0 for none.
func (r DeriveRequest) hash() (crypto.Hash, error) {
	if r.KDF == "" {
		if r.Length != 0 || len(r.Salt)+len(r.Info) > 0 {
			return 0, problem.New("validation_failed", "salt, info and length are for a kdf; the raw secret has the length of the curve's coordinates")
		}
		return 0, nil
	}
	if r.Length < derivation.MinOutput || r.Length > derivation.MaxOutput {
		return 0, problem.New("invalid_input", "the length must be %d to %d bytes", derivation.MinOutput, derivation.MaxOutput)
	}
	if len(r.Salt) > derivation.MaxContext || len(r.Info) > derivation.MaxContext {
		return 0, problem.New("invalid_input", "salt and info have at most %d bytes each", derivation.MaxContext)
	}
	switch r.KDF {
	case "hkdf-sha256":
		return crypto.SHA256, nil
	case "hkdf-sha384":
		return crypto.SHA384, nil
	case "hkdf-sha512":
		return crypto.SHA512, nil
	default:
		return 0, problem.New("unsupported_algorithm", "the kdf is one of hkdf-sha256, hkdf-sha384, hkdf-sha512")
	}
}
