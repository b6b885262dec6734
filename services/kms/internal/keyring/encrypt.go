package keyring

import (
	"context"
	"encoding/base64"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Bounds of what one request works on, in bytes.
const (
	DefaultInline = 64 << 10
	MaxInline     = 1 << 20
)

// Encrypted is what Encrypt returns.
type Encrypted struct {
	Used

	Ciphertext string // compact JWE (RFC 7516)
}

// Encrypt encrypts plaintext under the primary version.
func (k *Keyring) Encrypt(ctx context.Context, caller Caller, ref Ref, plaintext []byte, bind Context) (Encrypted, error) {
	if err := k.checkInline(plaintext); err != nil {
		return Encrypted{}, err
	}
	return k.seal(ctx, caller, OpEncrypt, ref, bind, content{text: plaintext})
}

// Decrypted is what Decrypt returns.
type Decrypted struct {
	Used

	Plaintext []byte
}

// Decrypt opens a compact JWE made under a version of the key. The header's `kid` finds the version; nothing else in it is believed: the
// algorithms are the key's own. Every cryptographic reason to refuse is the one error decryption_failed.
func (k *Keyring) Decrypt(ctx context.Context, caller Caller, ref Ref, ciphertext string, bind Context) (Decrypted, error) {
	opened, used, err := k.unseal(ctx, caller, OpDecrypt, ref, bind, ciphertext)
	if err != nil {
		return Decrypted{}, err
	}
	return Decrypted{Used: used, Plaintext: opened.text}, nil
}

// permitNamed is permit for the version that a `kid` names. A message without one, as made outside with a public key, means the primary
// version. The version is 0 where the `kid` names nothing of this key: the caller answers as for any message that does not open, after the
// same decision as for one that does.
func (k *Keyring) permitNamed(ctx context.Context, caller Caller, op Operation, ref Ref, kid string) (permit, int64, error) {
	elasticID, version, ok := parseKeyID(kid)
	p, err := k.permit(ctx, caller, op, ref, version)
	if problem.Is(err, problem.NotFound) && ok {
		// The key may exist without that version. That of a batch does.
		if caller.decided != nil {
			return permit{}, 0, nil
		}
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

func (k *Keyring) checkInline(data []byte) error {
	if most := int(k.inline.Load()); len(data) > most {
		return problem.New("payload_too_large", "at most %d bytes fit one request; the command line encrypts and signs files of any size", most)
	}
	return nil
}

// maxEnvelope is by how many characters a JWE or JWS may be longer than its content in base64url: its header, which is bounded, and the
// longest key or signature.
const maxEnvelope = 32 << 10

// checkMessage refuses a message that is longer than any that has an allowed content.
func (k *Keyring) checkMessage(text string) error {
	if most := int(k.inline.Load()); len(text) > base64.RawURLEncoding.EncodedLen(most)+maxEnvelope {
		return problem.New("payload_too_large", "messages whose content has more than %d bytes do not fit one request", most)
	}
	return nil
}

func errDecryption() error {
	return problem.New("decryption_failed", "the ciphertext does not decrypt under this key and context")
}
