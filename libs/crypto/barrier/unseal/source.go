package unseal

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// Material is what an unseal key comes from where nobody submits shares. Which fields are set follows from Mode.
type Material struct {
	Mode Mode
	// Secret has SecretSize bytes, in the modes Derive and Dev.
	Secret []byte
	// JWK is the JSON of a private key for RSA-OAEP-256, ECDH-ES+A256KW or A256KW, in the mode JWK.
	JWK []byte
	// Remote is the other installation, in the mode KMS.
	Remote Remote
}

// Remote is a key in another installation, such as a cryptoutil KMS, that encrypts an unseal key.
type Remote interface {
	// Name names installation and key; it stays the same when the key rotates.
	Name() string
	// Wrap encrypts a key. What it returns opens only with the same context.
	Wrap(ctx context.Context, key []byte, context string) (wrapped string, err error)
	// Unwrap decrypts what Wrap returned.
	Unwrap(ctx context.Context, wrapped, context string) (key []byte, err error)
	// Dependencies names the installations that must be unsealed for Unwrap to work: the remote itself, and those that its own
	// unsealing needs. It answers while the remote is sealed.
	Dependencies(ctx context.Context) ([]string, error)
}

// source is unseal material that is at hand.
type source interface {
	mode() Mode
	// owns says whether the unseal key can come from here.
	owns(unsealKeyID string, stored []SealedKey) bool
	// obtain returns the unseal key of an id that the source owns.
	obtain(ctx context.Context, unsealKeyID string, stored []SealedKey) ([]byte, error)
	// create makes an unseal key, and what must be stored to obtain it again; nil for nothing.
	create(ctx context.Context, now time.Time) (key []byte, unsealKeyID string, sealed *SealedKey, err error)
}

// newSource checks the material.
func newSource(m Material) (source, error) {
	if m.Mode != JWK && len(m.JWK) != 0 || m.Mode != KMS && m.Remote != nil {
		return nil, fmt.Errorf("unseal: the material does not belong to mode %s", m.Mode)
	}
	switch m.Mode {
	case Derive, Dev:
		if len(m.Secret) != SecretSize {
			return nil, fmt.Errorf("unseal: mode %s needs a secret of %d bytes, it has %d", m.Mode, SecretSize, len(m.Secret))
		}
		return &derived{as: m.Mode, secret: slices.Clone(m.Secret)}, nil
	case JWK:
		return newJWKSource(m.JWK)
	case KMS:
		if m.Remote == nil {
			return nil, fmt.Errorf("unseal: mode %s needs another installation", m.Mode)
		}
		return &sealing{as: KMS, name: m.Remote.Name(), seal: m.Remote.Wrap, open: m.Remote.Unwrap}, nil
	case Shamir:
		if len(m.Secret) != 0 {
			return nil, fmt.Errorf("unseal: mode %s takes no secret: shares are submitted", m.Mode)
		}
		return nil, nil
	default:
		return nil, fmt.Errorf("unseal: unknown mode %q: want %s, %s, %s, %s or %s", m.Mode, Derive, Shamir, JWK, KMS, Dev)
	}
}

// derived is a secret from which the unseal key is computed.
type derived struct {
	as     Mode
	secret []byte
}

func (d *derived) mode() Mode { return d.as }

func (d *derived) owns(id string, _ []SealedKey) bool { return id == deriveKeyID(d.secret) }

func (d *derived) obtain(context.Context, string, []SealedKey) ([]byte, error) {
	return unsealKey(d.secret, Derive)
}

func (d *derived) create(context.Context, time.Time) ([]byte, string, *SealedKey, error) {
	key, err := unsealKey(d.secret, Derive)
	return key, deriveKeyID(d.secret), nil, err
}

// sealing is something that encrypts a random unseal key, which is stored.
type sealing struct {
	as   Mode
	name string
	seal func(ctx context.Context, key []byte, unsealKeyID string) (string, error)
	open func(ctx context.Context, sealed, unsealKeyID string) ([]byte, error)
}

func (s *sealing) mode() Mode { return s.as }

func (s *sealing) find(id string, stored []SealedKey) int {
	return slices.IndexFunc(stored, func(k SealedKey) bool { return k.UnsealKeyID == id && k.Mode == s.as && k.Sealer == s.name })
}

func (s *sealing) owns(id string, stored []SealedKey) bool { return s.find(id, stored) >= 0 }

func (s *sealing) obtain(ctx context.Context, id string, stored []SealedKey) ([]byte, error) {
	key, err := s.open(ctx, stored[s.find(id, stored)].Sealed, id)
	if err == nil && len(key) != barrier.UnsealKeySize {
		clear(key)
		err = fmt.Errorf("it has %d bytes", len(key))
	}
	if err != nil {
		return nil, fmt.Errorf("open the stored unseal key %s with %s: %w", id, s.name, err)
	}
	return key, nil
}

func (s *sealing) create(ctx context.Context, now time.Time) (key []byte, id string, sealed *SealedKey, err error) {
	row, err := uuid.NewV7()
	if err != nil {
		return nil, "", nil, fmt.Errorf("make unseal key: %w", err)
	}
	key = make([]byte, barrier.UnsealKeySize)
	if _, err := rand.Read(key); err != nil {
		return nil, "", nil, fmt.Errorf("make unseal key: %w", err)
	}
	id = string(s.as) + ":" + row.String()
	text, err := s.seal(ctx, key, id)
	if err != nil {
		clear(key)
		return nil, "", nil, fmt.Errorf("encrypt the unseal key with %s: %w", s.name, err)
	}
	return key, id, &SealedKey{ID: row.String(), UnsealKeyID: id, Mode: s.as, Sealer: s.name, Sealed: text, CreatedAt: now}, nil
}

const (
	sealEncryption = "A256GCM"
	// idMember is the protected header member that binds a sealed unseal key to its id.
	idMember = "unseal_key_id"
)

// newJWKSource reads a private JWK.
func newJWKSource(text []byte) (source, error) {
	key, err := jwk.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("unseal: the JWK: %w", err)
	}
	algorithm, err := sealAlgorithm(key)
	if err != nil {
		return nil, fmt.Errorf("unseal: the JWK: %w", err)
	}
	name, err := sealerName(key)
	if err != nil {
		return nil, fmt.Errorf("unseal: the JWK: %w", err)
	}
	return &sealing{
		as: JWK, name: name,
		seal: func(_ context.Context, secret []byte, id string) (string, error) {
			return jwe.Encrypt(key, jwe.Header{Algorithm: algorithm, Encryption: sealEncryption, KeyID: name, Extra: map[string]any{idMember: id}}, secret)
		},
		open: func(_ context.Context, sealed, id string) ([]byte, error) {
			return openSealed(key, algorithm, sealed, id)
		},
	}, nil
}

// openSealed decrypts an unseal key that a key sealed, and checks that it is the one of that id.
func openSealed(key *jwk.Key, algorithm, sealed, id string) ([]byte, error) {
	secret, header, err := jwe.Decrypt(key, sealed, jwe.Expect{Algorithm: algorithm, Encryption: sealEncryption})
	if err != nil {
		return nil, err
	}
	if header.Extra[idMember] != id {
		clear(secret)
		return nil, errors.New("it is another unseal key: the row was moved")
	}
	return secret, nil
}

// sealAlgorithm is the key's own algorithm, or that of its type.
func sealAlgorithm(key *jwk.Key) (string, error) {
	if !key.IsPrivate() {
		return "", errors.New("it is a public key; name the private one")
	}
	algorithm := key.Algorithm
	if algorithm == "" {
		algorithm = map[string]string{"RSA": "RSA-OAEP-256", "EC": "ECDH-ES+A256KW", "oct": "A256KW"}[string(key.Type())]
	}
	if !slices.Contains([]string{"RSA-OAEP-256", "ECDH-ES+A256KW", "A256KW"}, algorithm) || algorithm == "A256KW" && key.Size() != 256 {
		return "", fmt.Errorf("a key of type %s for %q cannot unseal: want RSA-OAEP-256, ECDH-ES+A256KW or A256KW with 256 bits", key.Type(), algorithm)
	}
	return algorithm, nil
}

// sealerName names a key by its thumbprint (RFC 7638), and a shared secret by something that tells nothing about it.
func sealerName(key *jwk.Key) (string, error) {
	if !key.IsSymmetric() {
		return key.ThumbprintSHA256(), nil
	}
	id, err := hkdf.Key(sha512.New, key.Secret(), nil, "cryptoutil unseal jwk id v1", 16)
	return hex.EncodeToString(id), err
}

// modeOf reads the mode from an unseal key's id.
func modeOf(unsealKeyID string) Mode {
	mode, _, _ := strings.Cut(unsealKeyID, ":")
	return Mode(mode)
}
