package jwk_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// weakPoints are the eight points of small order, with the encodings that RFC 8032 does not allow for some of them.
func weakPoints() map[string]string {
	return map[string]string{
		"order 1":                   "0100000000000000000000000000000000000000000000000000000000000000",
		"order 1, sign bit":         "0100000000000000000000000000000000000000000000000000000000000080",
		"order 1, y = p + 1":        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"order 2":                   "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"order 2, sign bit":         "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"order 4, even x":           "0000000000000000000000000000000000000000000000000000000000000000",
		"order 4, odd x":            "0000000000000000000000000000000000000000000000000000000000000080",
		"order 4, y = p":            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"order 8":                   "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"order 8, negative x":       "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"order 8, other y":          "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"order 8, other y, negated": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
	}
}

// Under a key of small order a signature can be found that verifies for many messages, or for all of them.
func TestEdwardsKeys_OfSmallOrderAreRefused(t *testing.T) {
	t.Parallel()
	for name, encoded := range weakPoints() {
		point, err := hex.DecodeString(encoded)
		require.NoError(t, err)
		_, err = jwk.Parse(fmt.Appendf(nil, `{"kty":"OKP","crv":"Ed25519","x":%q}`, base64.RawURLEncoding.EncodeToString(point)))
		if assert.Error(t, err, name) {
			assertCode(t, err, "invalid_jwk")
		}
		_, err = jwk.FromMaterial(ed25519.PublicKey(point), jwk.Attributes{})
		assert.Error(t, err, name)
	}
}

// The standard library says by its errors which points lie on the curve.
func TestEdwardsKeys_OffTheCurveAreRefused(t *testing.T) {
	t.Parallel()
	refused := 0
	const tries = 200
	for range tries {
		point := make([]byte, ed25519.PublicKeySize)
		_, err := rand.Read(point)
		require.NoError(t, err)
		onCurve := ed25519.VerifyWithOptions(point, nil, make([]byte, ed25519.SignatureSize), &ed25519.Options{}).Error() == "ed25519: invalid signature"
		_, err = jwk.FromMaterial(ed25519.PublicKey(point), jwk.Attributes{})
		assert.Equal(t, onCurve, err == nil, "%x", point)
		if !onCurve {
			refused++
		}
	}
	assert.Greater(t, refused, tries/5)
	assert.Less(t, refused, tries*4/5)
}

func TestEdwardsKeys_GeneratedOnesAreTaken(t *testing.T) {
	t.Parallel()
	for range 50 {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(t, err)
		_, err = jwk.FromMaterial(public, jwk.Attributes{})
		require.NoError(t, err)
		_, err = jwk.FromMaterial(private, jwk.Attributes{})
		require.NoError(t, err)
	}
}
