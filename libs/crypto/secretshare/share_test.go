package secretshare_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/secretshare"
)

func TestParseShare_NoticesEverySingleWrongCharacter(t *testing.T) {
	t.Parallel()
	share := split(t, randomBytes(t, 16), 12, 2)[10]
	text := share.Text()
	require.True(t, strings.HasPrefix(text, "cu_share_11_"))
	for i := range text {
		wrong := []byte(text)
		wrong[i] = 'A'
		if text[i] == 'A' {
			wrong[i] = 'B'
		}
		_, err := secretshare.ParseShare(string(wrong))
		var named *secretshare.ShareError
		require.ErrorAs(t, err, &named, "character %d", i)
		if i >= len("cu_share_11_") {
			require.ErrorIs(t, err, secretshare.ErrDamaged)
			require.Equal(t, 11, named.Index)
		}
		require.NotContains(t, err.Error(), text[20:40])
	}
}

func TestParseShare_NoticesCutAndReorderedTexts(t *testing.T) {
	t.Parallel()
	text := split(t, randomBytes(t, 32), 3, 2)[0].Text()
	for i := range text {
		_, err := secretshare.ParseShare(text[:i])
		require.Error(t, err)
	}
	swapped := []byte(text)
	for i := 20; i < len(swapped)-1; i++ {
		if swapped[i] != swapped[i+1] {
			swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
			break
		}
	}
	for _, wrong := range []string{
		string(swapped), text + "A", text + "=", text[:40] + "\n" + text[40:], text[:40] + " " + text[40:], text + text,
		text + strings.Repeat("A", 10_000),
	} {
		_, err := secretshare.ParseShare(wrong)
		require.ErrorIs(t, err, secretshare.ErrDamaged)
	}
	_, err := secretshare.ParseShare(" \t" + text + "\r\n")
	require.NoError(t, err)
}

func TestParseShare_NoticesAlteredSharesWithARecomputedChecksum(t *testing.T) {
	t.Parallel()
	share := split(t, randomBytes(t, 16), 5, 3)[2]
	genuine := encoded(t, share)
	for i := range len(genuine) - 4 {
		altered := bytes.Clone(genuine)
		altered[i] ^= 1
		_, err := secretshare.ParseShare(withChecksum(altered, share.Index()))
		require.True(t, errors.Is(err, secretshare.ErrAltered) || i == 0 && errors.Is(err, secretshare.ErrInvalid), "byte %d: %v", i, err)
	}
	// The number in front says 4, the signed one says 3.
	_, err := secretshare.ParseShare(withChecksum(genuine, 4))
	var named *secretshare.ShareError
	require.ErrorAs(t, err, &named)
	require.ErrorIs(t, err, secretshare.ErrAltered)
	assert.Equal(t, share.SetID(), named.SetID)
}

func TestParseShare_RefusesWhatIsNoShare(t *testing.T) {
	t.Parallel()
	payload := strings.Repeat("A", 200)
	for _, text := range []string{
		"", " ", "x", "cu_share_", "cu_share_1", "cu_at_demo_x_y", "cu_share_0_" + payload, "cu_share_256_" + payload, "cu_share_-1_" + payload,
		"cu_share_01_" + payload, "cu_share_+1_" + payload, "cu_share_x_" + payload, "CU_SHARE_1_" + payload, "cu_share_99999999999999999999_" + payload,
	} {
		_, err := secretshare.ParseShare(text)
		require.ErrorIs(t, err, secretshare.ErrInvalid, "%q", text)
	}
	_, err := secretshare.ParseShare("cu_share_7_" + payload)
	require.ErrorIs(t, err, secretshare.ErrDamaged)
	assert.EqualError(t, err, "share 7: damaged: its checksum does not match; copy it again")
}

func FuzzParseShare(f *testing.F) {
	set, err := secretshare.Split([]byte("seed"), 3, 2)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(set[0].Text())
	f.Add("cu_share_1_")
	f.Add("cu_share_255_" + strings.Repeat("A", 190))
	f.Fuzz(func(t *testing.T, text string) {
		share, err := secretshare.ParseShare(text)
		if err != nil {
			var named *secretshare.ShareError
			require.ErrorAs(t, err, &named)
			return
		}
		require.Equal(t, strings.TrimSpace(text), share.Text())
	})
}

func withChecksum(encoded []byte, index int) string {
	body := encoded[:len(encoded)-4]
	sum := sha256.Sum256(body)
	return "cu_share_" + strconv.Itoa(index) + "_" + base64.RawURLEncoding.EncodeToString(append(bytes.Clone(body), sum[:4]...))
}
