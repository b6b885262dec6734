package keyring

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// MaxInline is how many bytes encrypt and sign take in one request.
const MaxInline = 64 << 10

// headerContext is the protected header's member that carries a context's digest.
const headerContext = "ctx"

// Encrypted is what Encrypt returns.
type Encrypted struct {
	Ciphertext   string // compact JWE (RFC 7516)
	ElasticKeyID string
	Version      int64
}

// Encrypt encrypts plaintext under the primary version.
func (k *Keyring) Encrypt(ctx context.Context, caller Caller, ref Ref, plaintext []byte, bind Context) (Encrypted, error) {
	if err := checkInline(plaintext); err != nil {
		return Encrypted{}, err
	}
	digest, err := bind.digest()
	if err != nil {
		return Encrypted{}, err
	}
	p, err := k.permitEncrypt(ctx, caller, ref)
	if err != nil {
		return Encrypted{}, err
	}
	held, err := k.material(ctx, p)
	if err != nil {
		return Encrypted{}, err
	}
	defer held.release()
	header := jwe.Header{Algorithm: p.spec.KeyManagement, Encryption: p.spec.ContentEncryption, KeyID: p.version.KeyID()}
	if digest != "" {
		header.Extra = map[string]any{headerContext: digest}
	}
	ciphertext, err := jwe.Encrypt(held.key, header, plaintext)
	if err != nil {
		return Encrypted{}, fmt.Errorf("encrypt: %w", err)
	}
	k.count(p, len(plaintext))
	return Encrypted{Ciphertext: ciphertext, ElasticKeyID: p.key.ID, Version: p.version.Version}, nil
}

// permitEncrypt is permit for the primary version. Where the algorithm uses the key itself under random nonces, it counts the use, and
// when the key has had as many as it may, a new version takes its place.
func (k *Keyring) permitEncrypt(ctx context.Context, caller Caller, ref Ref) (permit, error) {
	const attempts = 3 // another replica may rotate at the same moment
	for range attempts {
		p, err := k.permit(ctx, caller, OpEncrypt, ref, 0)
		if err != nil || !p.spec.DirectUse {
			return p, err
		}
		granted, err := k.uses.take(ctx, p.version)
		if err != nil || granted {
			return p, err
		}
		if rotatable(p.key) != nil {
			return permit{}, problem.New("usage_limit_reached", "version %d has encrypted as often as its algorithm allows, and the key gets no further version by itself", p.version.Version)
		}
		if _, err := k.rotate(ctx, p.key, p.version.Version); err != nil && !errors.Is(err, ErrStale) {
			return permit{}, fmt.Errorf("rotate key %s at its limit of uses: %w", p.key.ID, err)
		}
	}
	return permit{}, problem.New("conflict", "the key is being rotated; try again")
}

// Decrypted is what Decrypt returns.
type Decrypted struct {
	Plaintext    []byte
	ElasticKeyID string
	Version      int64
	// Compromised tells that the version is, and that the caller was allowed to use it all the same.
	Compromised bool
}

// Decrypt opens a compact JWE made under a version of the key. The header's `kid` finds the version; nothing else in it is believed: the
// algorithms are the key's own. Every cryptographic reason to refuse is the one error decryption_failed.
func (k *Keyring) Decrypt(ctx context.Context, caller Caller, ref Ref, ciphertext string, bind Context) (Decrypted, error) {
	digest, err := bind.digest()
	if err != nil {
		return Decrypted{}, err
	}
	header, err := jwe.ParseHeader(ciphertext)
	if err != nil {
		header = jwe.Header{}
	}
	p, version, err := k.permitNamed(ctx, caller, OpDecrypt, ref, header.KeyID)
	if err != nil {
		return Decrypted{}, err
	}
	if version == 0 {
		return Decrypted{}, errDecryption()
	}
	held, err := k.material(ctx, p)
	if err != nil {
		return Decrypted{}, err
	}
	defer held.release()
	plaintext, header, err := jwe.Decrypt(held.key, ciphertext, jwe.Expect{Algorithm: p.spec.KeyManagement, Encryption: p.spec.ContentEncryption})
	if err != nil {
		return Decrypted{}, errDecryption()
	}
	named, _ := header.Extra[headerContext].(string)
	if _, present := header.Extra[headerContext]; present != (digest != "") || subtle.ConstantTimeCompare([]byte(named), []byte(digest)) != 1 {
		clear(plaintext)
		return Decrypted{}, errDecryption()
	}
	k.count(p, len(plaintext))
	return Decrypted{Plaintext: plaintext, ElasticKeyID: p.key.ID, Version: p.version.Version, Compromised: p.overridden()}, nil
}

// permitNamed is permit for the version that a `kid` names. A message without one, as made outside with a public key, means the primary
// version. The version is 0 where the `kid` names nothing of this key: the caller answers as for any message that does not open, after the
// same decision as for one that does.
func (k *Keyring) permitNamed(ctx context.Context, caller Caller, op Operation, ref Ref, kid string) (permit, int64, error) {
	elasticID, version, ok := parseKeyID(kid)
	p, err := k.permit(ctx, caller, op, ref, version)
	if isNotFound(err) && ok {
		// The key may exist without that version.
		if _, err := k.permitKey(ctx, caller, op, ref); err != nil {
			return permit{}, 0, err
		}
		return permit{}, 0, nil
	}
	if err != nil {
		return permit{}, 0, err
	}
	if kid != "" && (!ok || elasticID != p.key.ID) {
		return p, 0, nil
	}
	return p, p.version.Version, nil
}

func checkInline(data []byte) error {
	if len(data) > MaxInline {
		return problem.New("payload_too_large", "at most %d bytes fit one request; the command line encrypts and signs files of any size", MaxInline)
	}
	return nil
}

func errDecryption() error {
	return problem.New("decryption_failed", "the ciphertext does not decrypt under this key and context")
}

func isNotFound(err error) bool {
	var coded interface{ ErrorCode() string }
	return errors.As(err, &coded) && coded.ErrorCode() == "not_found"
}
