package config_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
)

func TestByteSize_ReadsAndWritesWholeUnits(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		size config.ByteSize
		text string
	}{
		"0": {0, "0B"}, "0B": {0, "0B"}, "1": {1, "1B"}, "512B": {512, "512B"}, "1024": {config.KiB, "1KiB"}, "64KiB": {64 * config.KiB, "64KiB"},
		"1536KiB": {1536 * config.KiB, "1536KiB"}, "8 MiB": {8 * config.MiB, "8MiB"}, "2GiB": {2 * config.GiB, "2GiB"}, "8388607TiB": {8388607 * config.TiB, "8388607TiB"},
	} {
		var size config.ByteSize
		require.NoError(t, size.UnmarshalText([]byte(text)), text)
		assert.Equal(t, want.size, size, text)
		assert.Equal(t, want.text, size.String())
	}
}

func TestByteSize_RefusesWhatIsNoSize(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "KiB", "-1", "+1", "1.5KiB", "1KB", "1k", "1kib", "0x10", "1_000", "1 K iB", "8388608TiB", "9223372036854775808", "99999999999999999999KiB",
	} {
		size := config.ByteSize(7)
		require.Error(t, size.UnmarshalText([]byte(text)), text)
		assert.Equal(t, config.ByteSize(7), size, text)
	}
}
