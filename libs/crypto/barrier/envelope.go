package barrier

import (
	"crypto/subtle"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

const (
	keyManagement     = "A256KW"
	contentEncryption = "A256GCM"
	// aadMember is the protected header member with the binding's digest.
	aadMember = "aad"
)

func newWrappingKey(id string, secret []byte) (*jwk.Key, error) {
	return jwk.FromMaterial(secret, jwk.Attributes{ID: id, Algorithm: keyManagement})
}

// wrap encrypts the plaintext under the key for the binding.
func wrap(key *jwk.Key, binding Binding, plaintext []byte) (string, error) {
	return jwe.Encrypt(key, jwe.Header{
		Algorithm: keyManagement, Encryption: contentEncryption, KeyID: key.ID, Extra: map[string]any{aadMember: binding.digest()},
	}, plaintext)
}

// open decrypts what wrap made, after [wrappingKeyID] has compared the binding: that
// gives the better error, and the tag then proves that the header is the one written.
func open(key *jwk.Key, binding Binding, compact string) ([]byte, error) {
	plaintext, _, err := jwe.Decrypt(key, compact, jwe.Expect{Algorithm: keyManagement, Encryption: contentEncryption})
	if err != nil {
		return nil, &ValueError{binding, fmt.Errorf("%w: %w", ErrUnreadable, err)}
	}
	return plaintext, nil
}

// wrappingKeyID reads the "kid" of a value that says it was wrapped for the binding.
func wrappingKeyID(binding Binding, compact string) (string, error) {
	header, err := jwe.ParseHeader(compact)
	if err != nil {
		return "", &ValueError{binding, fmt.Errorf("%w: %w", ErrUnreadable, err)}
	}
	digest, _ := header.Extra[aadMember].(string)
	if subtle.ConstantTimeCompare([]byte(digest), []byte(binding.digest())) != 1 {
		return "", &ValueError{binding, ErrMoved}
	}
	return header.KeyID, nil
}
