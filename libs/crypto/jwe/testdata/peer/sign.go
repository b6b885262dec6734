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

// signForm makes a JWS in any serialization, by one key or several, each for its own algorithm.
func signForm(r *request) (string, error) {
	options := new(jose.SignerOptions)
	if r.Unencoded {
		options = options.WithBase64(false)
	}
	if r.Type != "" {
		options = options.WithType(jose.ContentType(r.Type))
	}
	var keys []jose.SigningKey
	for _, key := range r.Keys {
		keys = append(keys, jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: jose.JSONWebKey{Key: key.Key, KeyID: key.KeyID}})
	}
	signer, err := jose.NewMultiSigner(keys, options)
	if err != nil {
		return "", err
	}
	message, err := signer.Sign([]byte(r.Text))
	switch {
	case err != nil:
		return "", err
	case r.Form != "compact" && r.Detached:
		return "", errors.New("go-jose detaches in compact serialization alone")
	case r.Form != "compact":
		return message.FullSerialize(), nil
	case r.Detached:
		return message.DetachedCompactSerialize()
	default:
		return message.CompactSerialize()
	}
}

// verifyForm returns the payload of a JWS that every one of the keys has signed. Where the payload travels beside the message, it is the request's AAD.
func verifyForm(r *request) (string, error) {
	var algorithms []jose.SignatureAlgorithm
	for _, key := range r.Keys {
		algorithms = append(algorithms, jose.SignatureAlgorithm(key.Algorithm))
	}
	var message *jose.JSONWebSignature
	var err error
	switch {
	case r.Detached:
		message, err = jose.ParseDetached(r.Text, []byte(r.AAD), algorithms)
	case r.Form == "compact":
		message, err = jose.ParseSignedCompact(r.Text, algorithms)
	default:
		message, err = jose.ParseSignedJSON(r.Text, algorithms)
	}
	if err != nil {
		return "", err
	}
	payload := ""
	for _, key := range r.Keys {
		_, _, verified, err := message.VerifyMulti(key.Key)
		if err != nil {
			return "", err
		}
		payload = string(verified)
	}
	return payload, nil
}
