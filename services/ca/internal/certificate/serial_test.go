package certificate_test

import (
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
)

func TestNewSerial_IsPositiveOfOneLengthAndNeverTheSame(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	limit := new(big.Int).Lsh(big.NewInt(1), 159)
	ones, zeros := make([]byte, certificate.SerialBytes), make([]byte, certificate.SerialBytes)
	for range 2000 {
		s := certificate.NewSerial()
		require.Len(t, s, certificate.SerialBytes)
		require.Positive(t, s.Int().Sign())
		require.Negative(t, s.Int().Cmp(limit))
		require.False(t, seen[s.String()])
		seen[s.String()] = true
		again, err := certificate.ParseSerial(s.String())
		require.NoError(t, err)
		require.Equal(t, s, again)
		for i, b := range s {
			ones[i] |= b
			zeros[i] |= ^b
		}
	}
	for i := range ones[1:] {
		assert.Equal(t, byte(0xff), ones[i+1], "every bit of byte %d is drawn", i+1)
		assert.Equal(t, byte(0xff), zeros[i+1], "every bit of byte %d is drawn", i+1)
	}
}

func TestParseSerial_TakesOneFormOnly(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"01", "80", "0102", "7f" + strings.Repeat("ff", 19), strings.Repeat("ff", 19)} {
		s, err := certificate.ParseSerial(good)
		require.NoError(t, err, good)
		assert.Equal(t, good, s.String())
		again, err := certificate.SerialOf(s.Int())
		require.NoError(t, err)
		assert.Equal(t, s, again)
	}
	for _, bad := range []string{
		"", "0", "1", "00", "0001", "0A", "AB", "0x01", " 01", "01 ", "+1", "-1", "0g", "ü", "80" + strings.Repeat("00", 19), "01" + strings.Repeat("00", 20),
	} {
		_, err := certificate.ParseSerial(bad)
		require.ErrorContains(t, err, "parse serial", bad)
	}
	for _, bad := range []*big.Int{nil, big.NewInt(0), big.NewInt(-1), new(big.Int).Lsh(big.NewInt(1), 159)} {
		_, err := certificate.SerialOf(bad)
		require.Error(t, err)
	}
}

// FuzzParseSerial: what is taken is written back the same.
func FuzzParseSerial(f *testing.F) {
	for _, text := range []string{"01", "00", "7f" + strings.Repeat("ff", 19), "80" + strings.Repeat("00", 19), "AB", "0x", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := certificate.ParseSerial(text)
		if err != nil {
			return
		}
		require.Equal(t, text, s.String())
		require.Positive(t, s.Int().Sign())
		require.LessOrEqual(t, s.Int().BitLen(), 159)
	})
}
