package keywrap_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keywrap"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

func unhex(t *testing.T, digits string) []byte {
	t.Helper()
	value, err := hex.DecodeString(digits)
	require.NoError(t, err)
	return value
}

// RFC 3394 section 4.
func TestWrap_RFC3394(t *testing.T) {
	t.Parallel()
	const kek = "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F"
	const key = "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F"
	for _, c := range []struct {
		kekBytes, keyBytes int
		wrapped            string
	}{
		{16, 16, "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5"},
		{24, 16, "96778B25AE6CA435F92B5B97C050AED2468AB8A17AD84E5D"},
		{32, 16, "64E8C3F9CE0F5BA263E9777905818A2A93C8191E7D6E8AE7"},
		{24, 24, "031D33264E15D33268F24EC260743EDCE1C6C7DDEE725A936BA814915C6762D2"},
		{32, 24, "A8F9BC1612C68B3FF6E6F4FBE30E71E4769C8B80A32CB8958CD5D17D6B254DA1"},
		{32, 32, "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21"},
	} {
		kek, key := unhex(t, kek)[:c.kekBytes], unhex(t, key)[:c.keyBytes]
		wrapped, err := keywrap.Wrap(kek, key)
		require.NoError(t, err)
		assert.Equal(t, unhex(t, c.wrapped), wrapped)
		unwrapped, err := keywrap.Unwrap(kek, wrapped)
		require.NoError(t, err)
		assert.Equal(t, key, unwrapped)
	}
}

// RFC 5649 section 6.
func TestWrapPadded_RFC5649(t *testing.T) {
	t.Parallel()
	kek := unhex(t, "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8")
	for key, want := range map[string]string{
		"c37b7e6492584340bed12207808941155068f738": "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a",
		"466f7250617369": "afbeb0f07dfbf5419200f2ccb50bb24f",
	} {
		wrapped, err := keywrap.WrapPadded(kek, unhex(t, key))
		require.NoError(t, err)
		assert.Equal(t, want, hex.EncodeToString(wrapped))
		unwrapped, err := keywrap.UnwrapPadded(kek, wrapped)
		require.NoError(t, err)
		assert.Equal(t, unhex(t, key), unwrapped)
	}
}

func TestUnwrap_EveryFlippedBitIsTheSameError(t *testing.T) {
	t.Parallel()
	kek, key := make([]byte, 32), []byte("0123456789abcdefghijklmn")
	plain, err := keywrap.Wrap(kek, key)
	require.NoError(t, err)
	padded, err := keywrap.WrapPadded(kek, key[:21])
	require.NoError(t, err)
	short, err := keywrap.WrapPadded(kek, key[:5])
	require.NoError(t, err)
	for _, c := range []struct {
		wrapped []byte
		unwrap  func(kek, wrapped []byte) ([]byte, error)
	}{{plain, keywrap.Unwrap}, {padded, keywrap.UnwrapPadded}, {short, keywrap.UnwrapPadded}} {
		for bit := range len(c.wrapped) * 8 {
			c.wrapped[bit/8] ^= 1 << (bit % 8)
			_, err := c.unwrap(kek, c.wrapped)
			require.ErrorIs(t, err, keywrap.ErrUnwrap)
			c.wrapped[bit/8] ^= 1 << (bit % 8)
		}
		for length := range len(c.wrapped) {
			_, err := c.unwrap(kek, c.wrapped[:length])
			require.ErrorIs(t, err, keywrap.ErrUnwrap)
		}
	}
}

func TestWrap_RefusesLengthsItCannotWrap(t *testing.T) {
	t.Parallel()
	kek := make([]byte, 16)
	for _, length := range []int{0, 8, 15, 17, 1 << 20} {
		_, err := keywrap.Wrap(kek, make([]byte, length))
		require.Error(t, err, length)
	}
	for _, length := range []int{0, 1 << 20} {
		_, err := keywrap.WrapPadded(kek, make([]byte, length))
		require.Error(t, err, length)
	}
	_, err := keywrap.Wrap(kek[:15], make([]byte, 16))
	require.Error(t, err)
	_, err = keywrap.UnwrapPadded(kek[:15], make([]byte, 16))
	require.Error(t, err)
}

func TestRSAOAEP_RefusesSHA1(t *testing.T) {
	t.Parallel()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	_, err = keywrap.WrapRSAOAEP(&private.PublicKey, crypto.SHA1, make([]byte, 16))
	require.Error(t, err)
	_, err = keywrap.UnwrapRSAOAEP(private, crypto.SHA1, make([]byte, 256))
	require.Error(t, err)

	wrapped, err := keywrap.WrapRSAOAEP(&private.PublicKey, crypto.SHA256, []byte("0123456789abcdef"))
	require.NoError(t, err)
	key, err := keywrap.UnwrapRSAOAEP(private, crypto.SHA256, wrapped)
	require.NoError(t, err)
	assert.Equal(t, "0123456789abcdef", string(key))
	_, err = keywrap.UnwrapRSAOAEP(private, crypto.SHA384, wrapped)
	require.ErrorIs(t, err, keywrap.ErrUnwrap)
}
