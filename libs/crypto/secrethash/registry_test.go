package secrethash_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

func TestRegistries_VerifyWhatTheyHash(t *testing.T) {
	t.Parallel()
	set, err := secrethash.Open(secrethash.Config{Dev: true})
	require.NoError(t, err)
	for _, kind := range secrethash.Kinds() {
		r := set.Registry(kind)
		text, err := r.Hash(t.Context(), []byte("sixteen bytes or more"))
		require.NoError(t, err)
		assert.True(t, strings.HasPrefix(text, "{3}:"), text)
		result, err := r.Verify(t.Context(), []byte("sixteen bytes or more"), text)
		require.NoError(t, err)
		assert.Equal(t, secrethash.Result{Match: true}, result)
		result, err = r.Verify(t.Context(), []byte("sixteen bytes or less"), text)
		require.NoError(t, err)
		assert.Equal(t, secrethash.Result{}, result)
	}
}
