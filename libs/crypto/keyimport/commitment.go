package keyimport

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/base64url"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// MinCommitmentSecret is the length in bytes of the shortest secret of a [Commitment].
const MinCommitmentSecret = sha256.Size

// Commitment returns a text of 43 characters that is the same for the same key material and for no
// other: for keys with a public part its RFC 7638 thumbprint with SHA-256, for symmetric keys
// HMAC-SHA-256 over their bytes under the secret, which the caller keeps for this purpose alone.
// Without the secret, the text tells nothing about a symmetric key. A secret that is too short is an
// error with code invalid_input.
func Commitment(key *jwk.Key, secret []byte) (string, error) {
	if len(secret) < MinCommitmentSecret {
		return "", fault.New(fault.InvalidInput, "commit to key: the secret is shorter than %d bytes", MinCommitmentSecret)
	}
	if !key.IsSymmetric() {
		return key.ThumbprintSHA256(), nil
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write(key.Secret())
	return base64url.Encode(mac.Sum(nil)), nil
}

// Matches tells whether the commitment was made for the same key material under the same secret.
func Matches(commitment string, key *jwk.Key, secret []byte) (bool, error) {
	own, err := Commitment(key, secret)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare([]byte(commitment), []byte(own)) == 1, nil
}
