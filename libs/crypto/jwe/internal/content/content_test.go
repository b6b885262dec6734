package content_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/wycheproof"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe/internal/content"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

type group struct {
	IVSize  int `json:"ivSize"`
	KeySize int `json:"keySize"`
	Tests   []struct {
		wycheproof.Test
		Key        wycheproof.Hex `json:"key"`
		IV         wycheproof.Hex `json:"iv"`
		AAD        wycheproof.Hex `json:"aad"`
		Message    wycheproof.Hex `json:"msg"`
		Ciphertext wycheproof.Hex `json:"ct"`
		Tag        wycheproof.Hex `json:"tag"`
	} `json:"tests"`
}

var errDifferent = errors.New("another result than the vector's")

func lookup(t *testing.T, name string) alg.ContentEncryption {
	t.Helper()
	enc, err := alg.LookupContentEncryption(name)
	require.NoError(t, err)
	return enc
}

func TestVectors_CBCHMAC(t *testing.T) {
	t.Parallel()
	for file, name := range map[string]string{
		"a128cbc_hs256_test.json": "A128CBC-HS256",
		"a192cbc_hs384_test.json": "A192CBC-HS384",
		"a256cbc_hs512_test.json": "A256CBC-HS512",
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			enc := lookup(t, name)
			vectors := wycheproof.Load[group](t, file)
			tally := vectors.Start(t)
			for _, group := range vectors.Groups {
				for _, v := range group.Tests {
					sealed := slices.Concat[[]byte](v.IV, v.Ciphertext, v.Tag)
					plaintext, err := content.Open(enc, v.Key, sealed, v.AAD)
					if err == nil && !bytes.Equal(plaintext, v.Message) {
						err = errDifferent
					}
					if v.Result == "valid" {
						again, sealErr := content.AppendSealCBCWithIV(nil, enc, v.Key, v.IV, v.Message, v.AAD)
						require.NoError(t, sealErr)
						assert.True(t, bytes.Equal(sealed, again), v.ID)
					}
					tally.Check(v.Test, err, wycheproof.Policy{})
				}
			}
			tally.Finish()
		})
	}
}

func TestVectors_GCM(t *testing.T) {
	t.Parallel()
	names := map[int]string{128: "A128GCM", 192: "A192GCM", 256: "A256GCM"}
	vectors := wycheproof.Load[group](t, "aes_gcm_test.json")
	tally := vectors.Start(t)
	for _, group := range vectors.Groups {
		enc := lookup(t, names[group.KeySize])
		var policy wycheproof.Policy
		if group.IVSize != enc.IVSize*8 {
			policy = wycheproof.Policy{Reason: "initialization vector of another length than 96 bits (RFC 7518 section 5.3)", Is: content.ErrOpen}
		}
		for _, v := range group.Tests {
			plaintext, err := content.Open(enc, v.Key, slices.Concat[[]byte](v.IV, v.Ciphertext, v.Tag), v.AAD)
			if err == nil && !bytes.Equal(plaintext, v.Message) {
				err = errDifferent
			}
			tally.Check(v.Test, err, policy)
		}
	}
	tally.Finish()
}

// RFC 7518 appendix B.
func TestSealCBC_RFC7518(t *testing.T) {
	t.Parallel()
	plaintext := []byte("A cipher system must not be required to be secret, and it must be able to fall into the hands of the enemy without inconvenience")
	aad := []byte("The second principle of Auguste Kerckhoffs")
	iv, err := hex.DecodeString("1af38c2dc2b96ffdd86694092341bc04")
	require.NoError(t, err)
	for name, tag := range map[string]string{
		"A128CBC-HS256": "652c3fa36b0a7c5b3219fab3a30bc1c4",
		"A192CBC-HS384": "8490ac0e58949bfe51875d733f93ac2075168039ccc733d7",
		"A256CBC-HS512": "4dd3b4c088a7f45c216839645b2012bf2e6269a8c56a816dbc1b267761955bc5",
	} {
		enc := lookup(t, name)
		key := make([]byte, enc.KeySize/8)
		for i := range key {
			key[i] = byte(i)
		}
		sealed, err := content.AppendSealCBCWithIV(nil, enc, key, iv, plaintext, aad)
		require.NoError(t, err)
		assert.Equal(t, tag, hex.EncodeToString(sealed[len(sealed)-enc.TagSize:]), name)
		assert.Len(t, sealed, content.SealedLen(enc, len(plaintext)))
	}
}

func TestOpen_EveryDamageIsTheSameError(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"A128GCM", "A192GCM", "A256GCM", "A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512"} {
		enc := lookup(t, name)
		key := bytes.Repeat([]byte{7}, enc.KeySize/8)
		sealed, err := content.AppendSeal(nil, enc, key, []byte("twenty bytes of text"), []byte("aad"))
		require.NoError(t, err)
		for bit := range len(sealed) * 8 {
			sealed[bit/8] ^= 1 << (bit % 8)
			_, err := content.Open(enc, key, sealed, []byte("aad"))
			require.ErrorIs(t, err, content.ErrOpen)
			sealed[bit/8] ^= 1 << (bit % 8)
		}
		for length := range sealed {
			_, err := content.Open(enc, key, sealed[:length], []byte("aad"))
			require.ErrorIs(t, err, content.ErrOpen)
		}
		_, err = content.Open(enc, key, sealed, []byte("aae"))
		require.ErrorIs(t, err, content.ErrOpen)
		_, err = content.Open(enc, key[1:], sealed, []byte("aad"))
		require.ErrorIs(t, err, content.ErrOpen)
		_, err = content.AppendSeal(nil, enc, key[1:], nil, nil)
		require.Error(t, err)
	}
}

func TestAppendSeal_NeverRepeatsAnInitializationVector(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"A256GCM", "A256CBC-HS512"} {
		enc := lookup(t, name)
		key := make([]byte, enc.KeySize/8)
		seen := map[string]bool{}
		for range 1000 {
			sealed, err := content.AppendSeal(nil, enc, key, nil, nil)
			require.NoError(t, err)
			seen[string(sealed[:enc.IVSize])] = true
		}
		assert.Len(t, seen, 1000)
	}
}
