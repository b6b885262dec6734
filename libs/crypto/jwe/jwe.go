// Package jwe encrypts and decrypts JSON Web Encryption (RFC 7516), with the key management and content
// encryption of RFC 7518 except what package alg refuses: in compact serialization with [Encrypt] and
// [Decrypt], in JSON serialization, also to several recipients, with [Draft] and [Message]. [EncryptKey] and
// [DecryptKey] carry keys.
//
// The algorithm comes from the key or from the caller's expectation; a message that says something
// else is refused. Everything that can fail once the key is involved is [ErrDecryption], and takes the
// path of a wrong tag: where a content encryption key cannot be unwrapped, a random one is used
// (RFC 7516 section 11.5). Malformed messages and headers that policy refuses are errors with code
// invalid_jwe; they depend on nothing secret.
package jwe

import (
	"crypto/rand"
	"errors"
	"strings"
	"sync"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/base64url"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/joseheader"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// MaxSize is the length in characters of the longest message that is read.
const MaxSize = 16 << 20

// ErrDecryption says that a message could not be decrypted with this key, and nothing else. Its code
// is decryption_failed.
var ErrDecryption error = fault.New(fault.DecryptionFailed, "decryption failed")

// ErrAlgorithm is in the chain of the error about a message whose "alg" or "enc" is not the one expected.
var ErrAlgorithm = errors.New("unexpected algorithm")

// Expect is what the caller knows about a message from elsewhere than the message.
type Expect struct {
	// Algorithm is the "alg" that is accepted. Empty means the key's; one of them must be set.
	Algorithm string
	// Encryption is the "enc" that is accepted. Empty means any supported one.
	Encryption string
	// Allow is what the message may contain beyond the usual.
	Allow Allow
}

// ParseHeader reads the protected header of a message in compact serialization, for finding the key by its
// KeyID. Nothing in it may be trusted before [Decrypt] has succeeded. [Parse] reads headers that have members
// which are refused here.
func ParseHeader(compact string) (Header, error) {
	parts, err := split(compact)
	if err != nil {
		return Header{}, err
	}
	text, err := base64url.Decode(parts.header)
	if err != nil {
		return Header{}, errHeaderEncoding
	}
	h, _, err := parseHeader(text, &Allow{})
	return h, err
}

var (
	errParts          = fault.New(fault.InvalidJWE, "not a JWE in compact serialization")
	errSize           = fault.New(fault.InvalidJWE, "longer than %d characters", MaxSize)
	errHeaderSize     = fault.New(fault.InvalidJWE, "header is longer than %d characters", joseheader.MaxEncoded)
	errHeaderEncoding = fault.New(fault.InvalidJWE, "header is %w", base64url.ErrEncoding)
)

// parts are the five parts of the compact serialization (RFC 7516 section 7.1), still encoded.
type parts struct {
	header, encryptedKey, iv, ciphertext, tag string
}

func split(compact string) (p parts, err error) {
	if len(compact) > MaxSize {
		return parts{}, errSize
	}
	rest := compact
	for _, part := range [...]*string{&p.header, &p.encryptedKey, &p.iv, &p.ciphertext} {
		var found bool
		if *part, rest, found = strings.Cut(rest, "."); !found {
			return parts{}, errParts
		}
	}
	if strings.Contains(rest, ".") || p.header == "" {
		return parts{}, errParts
	}
	if len(p.header) > joseheader.MaxEncoded {
		return parts{}, errHeaderSize
	}
	p.tag = rest
	return p, nil
}

// resolve finds the algorithms from the key and from what the caller asks for. A key's own "alg"
// binds; for dir it is the content encryption. The content encryption stays empty if nobody names it.
func resolve(key *jwk.Key, algorithm, encryption string) (management alg.KeyManagement, enc string, err error) {
	switch {
	case key.Algorithm == "":
	case alg.IsContentEncryption(key.Algorithm):
		if encryption != "" && encryption != key.Algorithm || algorithm != "" && algorithm != "dir" {
			return alg.KeyManagement{}, "", fault.New(fault.KeyMismatch, "the key is for %s alone", key.Algorithm)
		}
		algorithm, encryption = "dir", key.Algorithm
	case algorithm != "" && algorithm != key.Algorithm:
		return alg.KeyManagement{}, "", fault.New(fault.KeyMismatch, "the key is for %s alone", key.Algorithm)
	default:
		algorithm = key.Algorithm
	}
	if algorithm == "" {
		return alg.KeyManagement{}, "", fault.New(fault.KeyMismatch, "neither the key nor the caller names the algorithm")
	}
	if management, err = alg.LookupKeyManagement(algorithm); err != nil {
		return alg.KeyManagement{}, "", err
	}
	return management, encryption, key.FitsKeyManagement(management)
}

// operations are the key_ops of which a key must have one, if it has any.
func operations(family alg.KeyManagementFamily, decrypt bool) []string {
	switch {
	case family == alg.ECDHES || family == alg.ECDHESKeyWrap:
		return []string{jwk.OpDeriveKey, jwk.OpDeriveBits}
	case family == alg.Direct && decrypt:
		return []string{jwk.OpDecrypt}
	case family == alg.Direct:
		return []string{jwk.OpEncrypt}
	case decrypt:
		return []string{jwk.OpUnwrapKey, jwk.OpDecrypt}
	default:
		return []string{jwk.OpWrapKey, jwk.OpEncrypt}
	}
}

// workspace holds what one operation needs and the next can use again.
type workspace struct {
	key       [alg.MaxContentKeyBytes]byte      // the content encryption key; cleared after every use
	wrapped   [alg.MaxContentKeyBytes + 32]byte // room for initialization vector and tag, or for key wrap's scratch
	decoy     [alg.MaxContentKeyBytes]byte      // stands in for a key that cannot be unwrapped
	encrypted []byte
	header    []byte
	sealed    []byte
	out       []byte
}

//nolint:gochecknoglobals // buffers, of use to every message
var workspaces = sync.Pool{New: func() any {
	w := new(workspace)
	_, _ = rand.Read(w.decoy[:]) // never fails: it ends the process instead
	return w
}}

// maxKept is the length in bytes of the longest buffer that is kept for the next use.
const maxKept = 128 << 10

func (w *workspace) release() {
	clear(w.key[:])
	clear(w.wrapped[:])
	if cap(w.out) <= maxKept && cap(w.sealed) <= maxKept {
		workspaces.Put(w)
	}
}
