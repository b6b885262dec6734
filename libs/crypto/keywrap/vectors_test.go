package keywrap_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/wycheproof"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keywrap"
)

type wrapGroup struct {
	Tests []struct {
		wycheproof.Test
		Key     wycheproof.Hex `json:"key"`
		Message wycheproof.Hex `json:"msg"`
		Wrapped wycheproof.Hex `json:"ct"`
	} `json:"tests"`
}

var errDifferent = errors.New("another result than the vector's")

func TestVectors_AESKeyWrap(t *testing.T) {
	t.Parallel()
	file := wycheproof.Load[wrapGroup](t, "aes_wrap_test.json")
	tally := file.Start(t)
	for _, group := range file.Groups {
		for _, v := range group.Tests {
			var policy wycheproof.Policy
			if slices.Contains(v.Flags, "ShortKey") {
				policy = wycheproof.Policy{Reason: "RFC 3394 wraps at least two semiblocks", Is: keywrap.ErrUnwrap}
			}
			tally.Check(v.Test, roundTrip(keywrap.Wrap, keywrap.Unwrap, v.Key, v.Message, v.Wrapped, v.Result), policy)
		}
	}
	tally.Finish()
}

func TestVectors_AESKeyWrapWithPadding(t *testing.T) {
	t.Parallel()
	file := wycheproof.Load[wrapGroup](t, "aes_kwp_test.json")
	tally := file.Start(t)
	for _, group := range file.Groups {
		for _, v := range group.Tests {
			tally.Check(v.Test, roundTrip(keywrap.WrapPadded, keywrap.UnwrapPadded, v.Key, v.Message, v.Wrapped, v.Result), wycheproof.Policy{})
		}
	}
	tally.Finish()
}

// roundTrip unwraps, and for valid vectors also wraps: both forms are deterministic.
func roundTrip(wrap, unwrap func(kek, key []byte) ([]byte, error), kek, key, wrapped []byte, result string) error {
	got, err := unwrap(kek, wrapped)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, key) {
		return errDifferent
	}
	if result != "valid" {
		return nil
	}
	again, err := wrap(kek, key)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, wrapped) {
		return errDifferent
	}
	return nil
}

type oaepGroup struct {
	Hash       string         `json:"sha"`
	PrivateKey wycheproof.Hex `json:"privateKeyPkcs8"`
	Tests      []struct {
		wycheproof.Test
		Message    wycheproof.Hex `json:"msg"`
		Ciphertext wycheproof.Hex `json:"ct"`
		Label      wycheproof.Hex `json:"label"`
	} `json:"tests"`
}

func TestVectors_RSAOAEP(t *testing.T) {
	t.Parallel()
	hashes := map[string]crypto.Hash{"SHA-256": crypto.SHA256, "SHA-384": crypto.SHA384, "SHA-512": crypto.SHA512}
	for _, name := range []string{
		"rsa_oaep_2048_sha256_mgf1sha256_test.json", "rsa_oaep_2048_sha512_mgf1sha512_test.json",
		"rsa_oaep_3072_sha256_mgf1sha256_test.json", "rsa_oaep_3072_sha512_mgf1sha512_test.json",
		"rsa_oaep_4096_sha256_mgf1sha256_test.json", "rsa_oaep_4096_sha512_mgf1sha512_test.json",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := wycheproof.Load[oaepGroup](t, name)
			tally := file.Start(t)
			for _, group := range file.Groups {
				parsed, err := x509.ParsePKCS8PrivateKey(group.PrivateKey)
				require.NoError(t, err)
				private, ok := parsed.(*rsa.PrivateKey)
				require.True(t, ok)
				for _, v := range group.Tests {
					var policy wycheproof.Policy
					if len(v.Label) > 0 {
						policy = wycheproof.Policy{Reason: "the label is empty in JOSE (RFC 7518 section 4.3)", Is: keywrap.ErrUnwrap}
					}
					got, err := keywrap.UnwrapRSAOAEP(private, hashes[group.Hash], v.Ciphertext)
					if err == nil && !bytes.Equal(got, v.Message) {
						err = errDifferent
					}
					tally.Check(v.Test, err, policy)
				}
			}
			tally.Finish()
		})
	}
}
