package keyring

import (
	"context"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/kem"
)

// Encapsulated is what Encapsulate returns.
type Encapsulated struct {
	Used

	Shared     []byte // the secret that both sides have then
	Ciphertext []byte // for the holder of the private key
}

// Encapsulate makes a shared secret, and the ciphertext by which the primary version has it too (FIPS 203).
func (k *Keyring) Encapsulate(ctx context.Context, caller Caller, ref Ref) (Encapsulated, error) {
	p, err := k.permit(ctx, caller, OpEncapsulate, ref, 0)
	if err != nil {
		return Encapsulated{}, err
	}
	held, err := k.material(ctx, p)
	if err != nil {
		return Encapsulated{}, err
	}
	defer held.release()
	shared, ciphertext, err := kem.Encapsulate(held.key)
	if err != nil {
		return Encapsulated{}, fmt.Errorf("encapsulate: %w", err)
	}
	k.count(p, len(shared))
	return Encapsulated{Used: p.used(), Shared: shared, Ciphertext: ciphertext}, nil
}

// Secret is a secret that a key has given.
type Secret struct {
	Used

	Secret []byte
}

// Decapsulate returns the shared secret of a ciphertext for a version (0: the primary one). A ciphertext that is not genuine gives a secret
// that nobody else has, as FIPS 203 wants it; only its length can be wrong.
func (k *Keyring) Decapsulate(ctx context.Context, caller Caller, ref Ref, ciphertext []byte, version int64) (Secret, error) {
	p, err := k.permit(ctx, caller, OpDecapsulate, ref, version)
	if err != nil {
		return Secret{}, err
	}
	held, err := k.material(ctx, p)
	if err != nil {
		return Secret{}, err
	}
	defer held.release()
	shared, err := kem.Decapsulate(held.key, ciphertext)
	if err != nil {
		return Secret{}, fmt.Errorf("decapsulate: %w", err)
	}
	k.count(p, len(shared))
	return Secret{Used: p.used(), Secret: shared}, nil
}
