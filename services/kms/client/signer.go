package client

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrRotated says that the key has another primary version than when the Signer was made. Make a new one: its public key is another.
var ErrRotated = errors.New("the key has been rotated meanwhile")

// Signer is a [crypto.Signer] whose private key stays in the KMS: for crypto/tls, crypto/x509 and whatever else takes one. It belongs to the
// version that was primary when it was made. It is safe for concurrent use.
type Signer struct {
	kms       *KMS
	key       string // the key's id
	version   int64
	algorithm string
	hash      crypto.Hash // 0 for Ed25519
	public    crypto.PublicKey
}

var _ crypto.Signer = (*Signer)(nil)

// Signer returns a signer with the key's primary version. The key's algorithm is one with a public key: RS*, PS*, ES* or Ed25519.
func (k *KMS) Signer(ctx context.Context, key string) (*Signer, error) {
	about, err := k.GetKey(ctx, key)
	if err != nil {
		return nil, err
	}
	hash, err := hashOf(about.Algorithm)
	if err != nil {
		return nil, fmt.Errorf("signer with key %q: %w: %s", key, err, instead(about.Use))
	}
	public, version, err := k.publicKey(ctx, about.ID)
	if err != nil {
		return nil, err
	}
	return &Signer{kms: k, key: about.ID, version: version, algorithm: about.Algorithm, hash: hash, public: public}, nil
}

// publicKey is the public part of a key's primary version, as the standard library has it.
func (k *KMS) publicKey(ctx context.Context, key string) (crypto.PublicKey, int64, error) {
	answer, err := k.PublicKey(ctx, key, 0)
	if err != nil {
		return nil, 0, err
	}
	block, _ := pem.Decode([]byte(answer.PEM))
	if block == nil {
		return nil, 0, fmt.Errorf("get public key of %q: the answer holds no PEM", key)
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, 0, fmt.Errorf("get public key of %q: %w", key, err)
	}
	return public, answer.Version, nil
}

// hashOf is the hash of a signature algorithm with a public key (RFC 7518 section 3.1).
func hashOf(algorithm string) (crypto.Hash, error) {
	switch algorithm {
	case "RS256", "PS256", "ES256":
		return crypto.SHA256, nil
	case "RS384", "PS384", "ES384":
		return crypto.SHA384, nil
	case "RS512", "PS512", "ES512":
		return crypto.SHA512, nil
	case "Ed25519":
		return 0, nil
	}
	return 0, fmt.Errorf("%s makes no signatures that a public key verifies", algorithm)
}

// instead is what a key of this use is used by.
func instead(use KeyUse) string {
	switch use {
	case KeyUseSign:
		return "use Signer, or Sign and Verify"
	case KeyUseMac:
		return "use Mac and VerifyMac, or Sign and Verify"
	case KeyUseKem:
		return "use Encapsulate and Decapsulate"
	case KeyUseDerive:
		return "use Derive"
	default:
		return "use Decrypter, or Encrypt and Decrypt"
	}
}

// Public implements crypto.Signer.
func (s *Signer) Public() crypto.PublicKey { return s.public }

// Version is the version of the key that signs.
func (s *Signer) Version() int64 { return s.version }

// Sign implements crypto.Signer with the client's timeout. See SignContext.
func (s *Signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return s.SignContext(context.Background(), digest, opts)
}

// SignContext signs a digest made by the algorithm's hash, or for Ed25519 the message itself: up to [MaxInline] bytes. ECDSA signatures are
// DER (RFC 3279 section 2.2.3). Options that ask for another algorithm than the key's are refused, as is a signature by another version
// (ErrRotated).
func (s *Signer) SignContext(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if err := s.check(digest, opts); err != nil {
		return nil, fmt.Errorf("sign with key %q: %w", s.key, err)
	}
	input, format := SignatureInputDigest, SignatureFormatRaw
	switch {
	case s.hash == 0:
		input = SignatureInputMessage
	case strings.HasPrefix(s.algorithm, "ES"):
		format = SignatureFormatDer
	}
	answer, err := s.kms.Sign(ctx, s.key, SignRequest{Payload: EncodeBytes(digest), Input: &input, Format: &format})
	if err != nil {
		return nil, err
	}
	if answer.Version != s.version {
		return nil, fmt.Errorf("sign with key %q: %w: version %d has signed, not %d", s.key, ErrRotated, answer.Version, s.version)
	}
	signature, err := DecodeBytes(answer.Signature)
	if err != nil {
		return nil, fmt.Errorf("sign with key %q: signature in the answer: %w", s.key, err)
	}
	return signature, nil
}

// check refuses what the key's algorithm would not do.
func (s *Signer) check(digest []byte, opts crypto.SignerOpts) error {
	if opts == nil {
		opts = crypto.Hash(0)
	}
	if hash := opts.HashFunc(); hash != s.hash {
		return fmt.Errorf("%s does not sign %s", s.algorithm, hashName(hash))
	}
	if s.hash != 0 && len(digest) != s.hash.Size() {
		return fmt.Errorf("a digest of %s has %d bytes, not %d", s.hash, s.hash.Size(), len(digest))
	}
	padding, pss := opts.(*rsa.PSSOptions)
	if pss != strings.HasPrefix(s.algorithm, "PS") {
		return fmt.Errorf("the key signs with %s, which is another padding", s.algorithm)
	}
	// RFC 7518 section 3.5: the salt is as long as the hash.
	if pss && padding.SaltLength != rsa.PSSSaltLengthEqualsHash && padding.SaltLength != rsa.PSSSaltLengthAuto && padding.SaltLength != s.hash.Size() {
		return fmt.Errorf("%s has a salt of %d bytes, not %d", s.algorithm, s.hash.Size(), padding.SaltLength)
	}
	return nil
}

func hashName(hash crypto.Hash) string {
	if hash == 0 {
		return "messages"
	}
	return "digests of " + hash.String()
}

// Decrypter is a [crypto.Decrypter] whose private key stays in the KMS. What it decrypts are compact JWEs (RFC 7516) that name a version of
// the key, or its primary one. It is safe for concurrent use.
type Decrypter struct {
	kms    *KMS
	key    string // the key's id
	public crypto.PublicKey
}

var _ crypto.Decrypter = (*Decrypter)(nil)

// DecryptContext is the option of a [Decrypter] that gives the context which a message was bound to.
type DecryptContext map[string]string

// Decrypter returns a decrypter with the key, whose algorithm is one with a public key: RSA-OAEP-* or ECDH-ES*.
func (k *KMS) Decrypter(ctx context.Context, key string) (*Decrypter, error) {
	about, err := k.GetKey(ctx, key)
	if err != nil {
		return nil, err
	}
	if about.Use != KeyUseEncrypt {
		return nil, fmt.Errorf("decrypter with key %q: %s decrypts nothing: %s", key, about.Algorithm, instead(about.Use))
	}
	public, _, err := k.publicKey(ctx, about.ID)
	if err != nil {
		return nil, fmt.Errorf("decrypter with key %q, of the algorithm %s: %w; without a public key use Encrypt and Decrypt", key, about.Algorithm, err)
	}
	return &Decrypter{kms: k, key: about.ID, public: public}, nil
}

// Public implements crypto.Decrypter: the public key of the version that was primary when the Decrypter was made.
func (d *Decrypter) Public() crypto.PublicKey { return d.public }

// Decrypt implements crypto.Decrypter. message is a compact JWE; opts is nil or a [DecryptContext].
func (d *Decrypter) Decrypt(_ io.Reader, message []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	var bound map[string]string
	switch o := opts.(type) {
	case nil:
	case DecryptContext:
		bound = o
	default:
		return nil, fmt.Errorf("decrypt with key %q: options of type %T mean nothing to the KMS, which takes the algorithm from the key", d.key, opts)
	}
	return d.kms.Decrypt(context.Background(), d.key, string(message), bound)
}
