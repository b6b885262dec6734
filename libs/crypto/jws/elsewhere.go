package jws

import (
	"errors"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// ErrForeignSignature says that what came back from where the private part is does not verify under the key: another key has signed, or
// none.
var ErrForeignSignature = errors.New("the signature that was made elsewhere does not verify under the key")

// signElsewhere has the private part's keeper sign (see [jwk.Key.SignedBy]), and believes no answer that does not verify.
func signElsewhere(key *jwk.Key, sig alg.Signature, message []byte, der bool) ([]byte, error) {
	if der {
		return nil, fault.New(fault.InvalidInput, "a key whose private part is elsewhere signs as in a JWS")
	}
	signature, err := key.Elsewhere()(message)
	if err != nil {
		return nil, err
	}
	if !verifyMessage(key, sig, message, signature, false) {
		return nil, ErrForeignSignature
	}
	return signature, nil
}
