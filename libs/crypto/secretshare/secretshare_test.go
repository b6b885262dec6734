package secretshare_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secretshare"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

func TestCombine_EverySubsetOfThresholdSharesRestores(t *testing.T) {
	t.Parallel()
	secret := randomBytes(t, 32)
	for _, c := range []struct{ shares, threshold int }{{2, 2}, {3, 2}, {5, 3}, {6, 4}, {6, 6}} {
		set := split(t, secret, c.shares, c.threshold)
		for chosen := range 1 << c.shares {
			var subset []secretshare.Share
			for i, share := range set {
				if chosen>>i&1 == 1 {
					subset = append(subset, share)
				}
			}
			got, err := secretshare.Combine(subset)
			if len(subset) < c.threshold {
				require.ErrorIs(t, err, secretshare.ErrTooFew)
				require.Nil(t, got)
				continue
			}
			require.NoError(t, err)
			require.Equal(t, secret, got)
		}
	}
}

func TestCombine_RandomSizesAndOrdersThroughTheText(t *testing.T) {
	t.Parallel()
	for range 60 {
		threshold := 2 + mathrand.IntN(8)
		shares := threshold + mathrand.IntN(8)
		secret := randomBytes(t, 1+mathrand.IntN(100))
		set := split(t, secret, shares, threshold)
		mathrand.Shuffle(len(set), func(i, j int) { set[i], set[j] = set[j], set[i] })
		var subset []secretshare.Share
		for _, share := range set[:threshold+mathrand.IntN(shares-threshold+1)] {
			parsed, err := secretshare.ParseShare(share.Text())
			require.NoError(t, err)
			require.Equal(t, share, parsed)
			subset = append(subset, parsed)
		}
		got, err := secretshare.Combine(subset)
		require.NoError(t, err)
		require.Equal(t, secret, got)
	}
}

func TestSplit_Limits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ size, shares, threshold int }{
		{32, secretshare.MaxShares, secretshare.MaxShares}, {secretshare.MaxSecret, 3, secretshare.MinThreshold}, {1, 2, 2},
	} {
		secret := randomBytes(t, c.size)
		got, err := secretshare.Combine(split(t, secret, c.shares, c.threshold))
		require.NoError(t, err)
		assert.Equal(t, secret, got)
	}

	for _, c := range []struct {
		size, shares, threshold int
		says                    string
	}{
		{0, 3, 2, "1 to 1024"},
		{secretshare.MaxSecret + 1, 3, 2, "1 to 1024"},
		{32, 256, 2, "at most 255"},
		{32, 3, 1, "threshold 1"},
		{32, 3, 4, "threshold 4"},
		{32, 0, 0, "threshold 0"},
		{32, -1, -1, "threshold -1"},
	} {
		_, err := secretshare.Split(make([]byte, c.size), c.shares, c.threshold)
		require.ErrorContains(t, err, c.says)
	}
}

// The shares must lie on a polynomial over the field that FIPS 197 defines; the
// restoring here is written another way, with a multiplication table.
func TestSplit_SharesAreShamirSharesOverTheAESField(t *testing.T) {
	t.Parallel()
	secret := randomBytes(t, 16)
	set := split(t, secret, 5, 3)
	values := map[byte][]byte{}
	for _, share := range set[1:4] {
		values[byte(share.Index())] = value(t, share)
	}
	assert.Equal(t, secret, restoreByTable(values)[:len(secret)])
}

// With fewer shares than the threshold every secret stays equally likely: over many
// sets the share values of one fixed secret are uniform. Chi-square with 255 degrees of
// freedom exceeds 400 with a probability below 10^-7.
func TestSplit_ShareValuesOfAFixedSecretAreUniform(t *testing.T) {
	t.Parallel()
	var seen [2][256]int
	const sets = 64
	for range sets {
		for i, share := range split(t, make([]byte, secretshare.MaxSecret), 2, 2) {
			for _, b := range value(t, share)[:secretshare.MaxSecret] {
				seen[i][b]++
			}
		}
	}
	const expected = float64(sets*secretshare.MaxSecret) / 256
	for i := range seen {
		chi := 0.0
		for _, n := range seen[i] {
			chi += (float64(n) - expected) * (float64(n) - expected) / expected
		}
		assert.Less(t, chi, 400.0, "share %d", i+1)
	}
}

func TestCombine_NamesTheForeignShare(t *testing.T) {
	t.Parallel()
	set := split(t, randomBytes(t, 32), 5, 3)
	other := split(t, randomBytes(t, 32), 5, 3)

	// Also when the foreign one comes first: the majority decides.
	_, err := secretshare.Combine([]secretshare.Share{other[3], set[0], set[1], set[2]})
	require.ErrorIs(t, err, secretshare.ErrForeign)
	var named *secretshare.ShareError
	require.ErrorAs(t, err, &named)
	assert.Equal(t, 4, named.Index)
	assert.Equal(t, other[0].SetID(), named.SetID)

	assert.NotEqual(t, set[0].SetID(), other[0].SetID())
	require.ErrorIs(t, other[3].Fits(set[:2]), secretshare.ErrForeign)
	require.NoError(t, set[3].Fits(set[:2]))
	require.NoError(t, set[3].Fits(nil))
}

func TestCombine_NamesTheDuplicate(t *testing.T) {
	t.Parallel()
	set := split(t, randomBytes(t, 32), 5, 3)
	_, err := secretshare.Combine([]secretshare.Share{set[0], set[1], set[1]})
	require.ErrorIs(t, err, secretshare.ErrDuplicate)
	var named *secretshare.ShareError
	require.ErrorAs(t, err, &named)
	assert.Equal(t, 2, named.Index)
	require.ErrorIs(t, set[1].Fits(set[:2]), secretshare.ErrDuplicate)

	_, err = secretshare.Combine(nil)
	require.ErrorIs(t, err, secretshare.ErrTooFew)
}

func TestShare_HidesItsValue(t *testing.T) {
	t.Parallel()
	share := split(t, randomBytes(t, 32), 3, 2)[1]
	secretPart := value(t, share)
	json, err := share.MarshalJSON()
	require.NoError(t, err)
	for _, shown := range []string{
		fmt.Sprint(share), fmt.Sprintf("%v %+v %#v %s", share, share, share, share), fmt.Sprintf("%v", []secretshare.Share{share}),
		share.LogValue().String(), string(json),
	} {
		assert.Contains(t, shown, "share 2 of 3 (threshold 2, set "+share.SetID())
		assert.NotContains(t, shown, base64.RawURLEncoding.EncodeToString(secretPart)[:20])
		assert.NotContains(t, shown, fmt.Sprint(secretPart[:8])[1:])
	}
	share.Zero()
	assert.Equal(t, make([]byte, len(secretPart)), value(t, share))
}

func split(t *testing.T, secret []byte, shares, threshold int) []secretshare.Share {
	t.Helper()
	set, err := secretshare.Split(secret, shares, threshold)
	require.NoError(t, err)
	require.Len(t, set, shares)
	return set
}

func randomBytes(t *testing.T, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	_, err := rand.Read(b)
	require.NoError(t, err)
	return b
}

// Sizes of the encoded share: version, set key, threshold, count, index; then the value; then signature, checksum.
const headSize, tailSize = 1 + 32 + 3, 64 + 4

func encoded(t *testing.T, share secretshare.Share) []byte {
	t.Helper()
	payload := share.Text()[len(fmt.Sprintf("cu_share_%d_", share.Index())):]
	b, err := base64.RawURLEncoding.DecodeString(payload)
	require.NoError(t, err)
	return b
}

func value(t *testing.T, share secretshare.Share) []byte {
	t.Helper()
	b := encoded(t, share)
	return b[headSize : len(b)-tailSize]
}

// restoreByTable interpolates at zero with products looked up in a table that is
// built by carry-less multiplication and long division.
func restoreByTable(values map[byte][]byte) []byte {
	var table [256][256]byte
	for a := range 256 {
		for b := range 256 {
			product := 0
			for bit := range 8 {
				if b>>bit&1 == 1 {
					product ^= a << bit
				}
			}
			for bit := 14; bit >= 8; bit-- {
				if product>>bit&1 == 1 {
					product ^= 0x11b << (bit - 8)
				}
			}
			table[a][b] = byte(product)
		}
	}
	divide := func(a, b byte) byte { return byte(bytes.IndexByte(table[b][:], a)) }
	var secret []byte
	for x, ys := range values {
		if secret == nil {
			secret = make([]byte, len(ys))
		}
		weight := byte(1)
		for other := range values {
			if other != x {
				weight = table[weight][divide(other, other^x)]
			}
		}
		for i, y := range ys {
			secret[i] ^= table[y][weight]
		}
	}
	return secret
}

func TestParseShare_KeepsReadingSharesOfThisFormat(t *testing.T) {
	t.Parallel()
	var shares []secretshare.Share
	for _, text := range strings.Fields(goldenShares) {
		share, err := secretshare.ParseShare(text)
		require.NoError(t, err)
		assert.Equal(t, text, share.Text())
		shares = append(shares, share)
	}
	got, err := secretshare.Combine(shares)
	require.NoError(t, err)
	assert.Equal(t, "this secret is for the tests....", string(got))
}

// goldenShares are three shares of a set of five with threshold three.
const goldenShares = `
cu_share_1_AewsyIrnmoSqC07JPq9SLdUI1rQeds1si0bq9kDxkoQEAwUByq-JZjMWi4Bg4rptY3IjWUIuBM-fWW6262B0Pm3KH3MkzvtUUSn-ln2CudkEGKSDIc1KxF6XyVbXGeZqWJnfv3fiTrwPVFl4i-rbqQxxBH5hAponPnWf0-0yqNBwluCmMhe5F9R2nqF1FIHJ1HocC3JJgV0
cu_share_3_AewsyIrnmoSqC07JPq9SLdUI1rQeds1si0bq9kDxkoQEAwUDV4eS65t3QainlD_ghAodn4WbU1hmD16XNAM5786NdjU3v2iyLFhuxxGwXpZQb0VESA_kx1KibJ9Y0hckWq-bB0yLgf7qU8YMcCa0RfB3uz0wqosG0Klgc-JkAsIbpV5E5QKZmMgQa_u3oPYmf9BXC2MVccM
cu_share_5_AewsyIrnmoSqC07JPq9SLdUI1rQeds1si0bq9kDxkoQEAwUFLj2SzXZOMClUmaMwV3G_GJVr1j9GTYg6A6nBsKQi4SKYIwrXRMrEszshcXcd1m7uQ7cWD8K7B7PkN3SCMh2QsrKm83mMms6gnSTMxei0qcCeKQ60QmEvVbYT190BGvi_spIO7g1IVLAF4FISYQv7BuGF0DY
`
