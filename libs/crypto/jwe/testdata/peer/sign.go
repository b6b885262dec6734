package main

import (
	"errors"

	"github.com/go-jose/go-jose/v4"
)

// sign makes a JWS in compact serialization.
func sign(r *request) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(r.Algorithm), Key: jose.JSONWebKey{Key: r.Key.Key, KeyID: r.Key.KeyID}}, nil)
	if err != nil {
		return "", err
	}
	message, err := signer.Sign([]byte(r.Text))
	if err != nil {
		return "", err
	}
	return message.CompactSerialize()
}

// verify returns the payload of a JWS that is valid and names the key.
func verify(r *request) (string, error) {
	message, err := jose.ParseSignedCompact(r.Text, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(r.Algorithm)})
	if err != nil {
		return "", err
	}
	if r.Key.KeyID != "" && message.Signatures[0].Header.KeyID != r.Key.KeyID {
		return "", errors.New("another kid")
	}
	payload, err := message.Verify(r.Key.Key)
	return string(payload), err
}
