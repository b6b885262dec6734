package jwe_test

import (
	"crypto/aes"
	"crypto/cipher"
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
	"github.com/cryptoutil/cryptoutil/libs/crypto/kdf"
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

// Each vector becomes a message whose ephemeral key is the vector's public key, encrypted under what its shared secret gives.
func TestVectors_EllipticCurveDiffieHellman(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ecdh_secp256r1_webcrypto_test.json", "ecdh_secp384r1_webcrypto_test.json", "ecdh_secp521r1_webcrypto_test.json"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := wycheproof.Load[agreementGroup](t, name)
			tally := file.Start(t)
			for _, group := range file.Groups {
				for _, v := range group.Tests {
					var err error
					if slices.Contains(v.Flags, "EdgeCaseDoubling") { // hundreds, about the arithmetic of the cryptographic module
						_, err = jwk.Parse(v.Public)
					} else {
						err = decryptAgreed(t, v.Private, v.Public, v.Shared)
					}
					require.NotErrorIs(t, err, jwe.ErrDecryption, "a point is refused before it is used: %d", v.ID)
					tally.Check(v.Test, err, wycheproof.Policy{})
				}
			}
			tally.Finish()
		})
	}
}

type agreementGroup struct {
	Tests []struct {
		wycheproof.Test
		Public  json.RawMessage `json:"public"`
		Private json.RawMessage `json:"private"`
		Shared  wycheproof.Hex  `json:"shared"`
	} `json:"tests"`
}

func decryptAgreed(t *testing.T, recipient, ephemeral json.RawMessage, shared []byte) error {
	t.Helper()
	private, err := jwk.Parse(recipient)
	if err != nil {
		return err
	}
	header := encode(`{"alg":"ECDH-ES","enc":"A256GCM","epk":` + string(ephemeral) + `}`)
	block, err := aes.NewCipher(kdf.Concat(shared, "A256GCM", nil, nil, 256))
	require.NoError(t, err)
	aead, err := cipher.NewGCMWithRandomNonce(block)
	require.NoError(t, err)
	sealed := aead.Seal(nil, nil, []byte("text"), []byte(header))
	end := len(sealed) - 16
	message := strings.Join([]string{header, "", encode(string(sealed[:12])), encode(string(sealed[12:end])), encode(string(sealed[end:]))}, ".")
	_, _, err = jwe.Decrypt(private, message, jwe.Expect{Algorithm: "ECDH-ES"})
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
