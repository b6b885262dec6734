package jwk

import (
	"crypto/sha256"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/base64url"
)

// ThumbprintSHA256 returns the RFC 7638 thumbprint with SHA-256 in base64url. That of a symmetric key
// is a hash of the secret (section 7 there): give it to nobody who may not have the key.
func (k *Key) ThumbprintSHA256() string {
	text := []byte{'{'}
	if k.m.secret != nil {
		text = appendBytes(text, "k", k.m.secret.bytes)
	}
	sum := sha256.Sum256(append(k.appendIdentity(text), '}'))
	return base64url.Encode(sum[:])
}

// thumbprintPrefix is what RFC 9278 section 3 puts before a thumbprint with SHA-256.
const thumbprintPrefix = "urn:ietf:params:oauth:jwk-thumbprint:sha-256:"

// ThumbprintURI returns the thumbprint as a URI (RFC 9278), with the same caution.
func (k *Key) ThumbprintURI() string { return thumbprintPrefix + k.ThumbprintSHA256() }
