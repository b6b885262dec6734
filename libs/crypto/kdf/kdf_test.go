package kdf_test

import (
	"bytes"
	"crypto"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/base64url"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/wycheproof"
	"github.com/cryptoutil/cryptoutil/libs/crypto/kdf"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

var errDifferent = errors.New("another result than the vector's")

type hkdfGroup struct {
	Tests []struct {
		wycheproof.Test
		Secret wycheproof.Hex `json:"ikm"`
		Salt   wycheproof.Hex `json:"salt"`
		Info   wycheproof.Hex `json:"info"`
		Size   int            `json:"size"`
		Output wycheproof.Hex `json:"okm"`
	} `json:"tests"`
}

func TestVectors_HKDF(t *testing.T) {
	t.Parallel()
	for name, hash := range map[string]crypto.Hash{
		"hkdf_sha256_test.json": crypto.SHA256,
		"hkdf_sha384_test.json": crypto.SHA384,
		"hkdf_sha512_test.json": crypto.SHA512,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := wycheproof.Load[hkdfGroup](t, name)
			tally := file.Start(t)
			for _, group := range file.Groups {
				for _, v := range group.Tests {
					got, err := kdf.HKDF(hash, v.Secret, v.Salt, string(v.Info), v.Size)
					if err == nil && !bytes.Equal(got, v.Output) {
						err = errDifferent
					}
					tally.Check(v.Test, err, wycheproof.Policy{})
				}
			}
			tally.Finish()
		})
	}
}

type pbkdf2Group struct {
	Tests []struct {
		wycheproof.Test
		Password   wycheproof.Hex `json:"password"`
		Salt       wycheproof.Hex `json:"salt"`
		Iterations int            `json:"iterationCount"`
		Size       int            `json:"dkLen"`
		Output     wycheproof.Hex `json:"dk"`
	} `json:"tests"`
}

// Every vector has fewer iterations than the floor, so all are refused; those whose salt is long
// enough are also computed below the floor.
func TestVectors_PBKDF2(t *testing.T) {
	t.Parallel()
	file := wycheproof.Load[pbkdf2Group](t, "pbkdf2_hmacsha256_test.json")
	tally := file.Start(t)
	computed := 0
	for _, group := range file.Groups {
		for _, v := range group.Tests {
			_, err := kdf.PBKDF2(crypto.SHA256, string(v.Password), v.Salt, v.Iterations, v.Size)
			tally.Check(v.Test, err, wycheproof.Policy{Reason: "fewer than 600,000 iterations", Code: "invalid_input"})
			got, err := kdf.PBKDF2WithoutFloor(crypto.SHA256, string(v.Password), v.Salt, v.Iterations, v.Size)
			if len(v.Salt) < kdf.MinSalt {
				require.Error(t, err)
				continue
			}
			require.NoError(t, err)
			assert.Equal(t, []byte(v.Output), got)
			computed++
		}
	}
	tally.Finish()
	t.Logf("%d vectors with salts of at least %d bytes computed below the floor of iterations", computed, kdf.MinSalt)
	assert.Positive(t, computed)
}

func TestHKDF_RefusesWhatIsBelowTheFloors(t *testing.T) {
	t.Parallel()
	secret := make([]byte, 32)
	for _, refused := range []func() ([]byte, error){
		func() ([]byte, error) { return kdf.HKDF(crypto.SHA1, secret, nil, "", 32) },
		func() ([]byte, error) { return kdf.HKDF(0, secret, nil, "", 32) },
		func() ([]byte, error) { return kdf.HKDF(crypto.SHA256, secret[:13], nil, "", 32) },
		func() ([]byte, error) { return kdf.HKDF(crypto.SHA256, secret, nil, "", 13) },
		func() ([]byte, error) { return kdf.HKDF(crypto.SHA256, secret, nil, "", -1) },
		func() ([]byte, error) { return kdf.HKDF(crypto.SHA256, secret, nil, "", 255*32+1) },
	} {
		_, err := refused()
		require.Error(t, err)
	}
	key, err := kdf.HKDF(crypto.SHA256, secret, nil, "", 14)
	require.NoError(t, err)
	assert.Len(t, key, 14)
}

func TestPBKDF2_RefusesWhatIsBelowTheFloors(t *testing.T) {
	t.Parallel()
	salt := make([]byte, 16)
	for _, refused := range []func() ([]byte, error){
		func() ([]byte, error) { return kdf.PBKDF2(crypto.MD5, "p", salt, 1e6, 32) },
		func() ([]byte, error) { return kdf.PBKDF2(crypto.SHA256, "p", salt, 599_999, 32) },
		func() ([]byte, error) { return kdf.PBKDF2(crypto.SHA512, "p", salt, 209_999, 32) },
		func() ([]byte, error) { return kdf.PBKDF2(crypto.SHA512, "p", salt[:15], 210_000, 32) },
		func() ([]byte, error) { return kdf.PBKDF2(crypto.SHA512, "p", salt, 210_000, 13) },
	} {
		_, err := refused()
		require.Error(t, err)
	}
	key, err := kdf.PBKDF2(crypto.SHA512, "", salt, 210_000, 32)
	require.NoError(t, err)
	assert.Len(t, key, 32)
}

// RFC 7518 appendix C.
func TestConcat_RFC7518(t *testing.T) {
	t.Parallel()
	z := []byte{
		158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156,
		251, 49, 110, 163, 218, 128, 106, 72, 246, 218, 167, 121, 140, 254, 144, 196,
	}
	key := kdf.Concat(z, "A128GCM", []byte("Alice"), []byte("Bob"), 128)
	assert.Equal(t, "VqqN6vgjbSBcIijNcacQGg", base64url.Encode(key))
}

func TestConcat_AsLongAsAsked(t *testing.T) {
	t.Parallel()
	z := make([]byte, 32)
	for _, bits := range []int{128, 192, 256, 384, 512} {
		assert.Len(t, kdf.Concat(z, "A256CBC-HS512", nil, nil, bits), bits/8)
	}
}
