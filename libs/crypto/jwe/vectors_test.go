package jwe_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/wycheproof"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
)

var errDifferent = errors.New("another plaintext than the vector's")

type joseGroup struct {
	Comment string          `json:"comment"`
	Private json.RawMessage `json:"private"`
	Public  json.RawMessage `json:"public"`
	Tests   []struct {
		wycheproof.Test
		Plaintext *string `json:"pt"`
		JWE       token   `json:"jwe"`
		JWS       token   `json:"jws"`
	} `json:"tests"`
}

// token is a message: a string, or the text of a message in JSON serialization.
type token string

// UnmarshalJSON takes both.
func (v *token) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		return json.Unmarshal(text, (*string)(v))
	}
	*v = token(text)
	return nil
}

// algorithm is the "alg" of the group's key.
func (g joseGroup) algorithm(t *testing.T) string {
	t.Helper()
	var members struct {
		Algorithm string `json:"alg"`
	}
	require.NoError(t, json.Unmarshal(g.Private, &members))
	return members.Algorithm
}

func TestVectors_JSONWebEncryption(t *testing.T) {
	t.Parallel()
	file := wycheproof.Load[joseGroup](t, "json_web_encryption_test.json")
	tally := file.Start(t)
	for _, group := range file.Groups {
		key, keyErr := jwk.Parse(group.Private)
		var groupPolicy wycheproof.Policy
		switch group.algorithm(t) {
		case "RSA1_5":
			groupPolicy = wycheproof.Policy{Reason: "RSA1_5", Code: "unsupported_algorithm"}
		case "RSA-OAEP":
			groupPolicy = wycheproof.Policy{Reason: "RSA-OAEP with SHA-1", Code: "unsupported_algorithm"}
		}
		for _, v := range group.Tests {
			err := keyErr
			if err == nil {
				err = decryptVector(key, string(v.JWE), v.Plaintext)
			}
			policy := groupPolicy
			if slices.Contains(v.Flags, "CompressedPlaintext") {
				policy = wycheproof.Policy{Reason: "compressed content (RFC 8725 section 3.6)", Code: "invalid_jwe"}
			}
			tally.Check(v.Test, err, policy)
		}
	}
	tally.Finish()
}

func decryptVector(key *jwk.Key, message string, want *string) error {
	plaintext, _, err := jwe.Decrypt(key, message, jwe.Expect{})
	if err == nil && want != nil && hex.EncodeToString(plaintext) != *want {
		return errDifferent
	}
	return err
}

// The file mixes signatures and encryptions, single keys and sets.
func TestVectors_JSONWebCrypto(t *testing.T) {
	t.Parallel()
	file := wycheproof.Load[joseGroup](t, "json_web_crypto_test.json")
	tally := file.Start(t)
	for _, group := range file.Groups {
		keys := group.Public
		if keys == nil {
			keys = group.Private
		}
		for _, v := range group.Tests {
			key, err := selectKey(keys, string(v.JWS))
			switch {
			case err != nil:
			case strings.HasPrefix(group.Comment, "jws"):
				_, _, err = jws.Verify(key, string(v.JWS), jws.Expect{})
			default:
				_, _, err = jwe.Decrypt(key, string(v.JWE), jwe.Expect{})
			}
			tally.Check(v.Test, err, wycheproof.Policy{})
		}
	}
	tally.Finish()
}

// selectKey reads a key, or takes the one from a set that the message names.
func selectKey(text json.RawMessage, message string) (*jwk.Key, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, err
	}
	if _, isSet := members["keys"]; !isSet {
		return jwk.Parse(text)
	}
	set, err := jwk.ParseSet(text)
	if err != nil {
		return nil, err
	}
	h, err := jws.ParseHeader(message)
	if err != nil {
		return nil, err
	}
	if key, found := set.Find(h.KeyID); found {
		return key, nil
	}
	return nil, jws.ErrVerification
}
