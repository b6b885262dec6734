package unseal_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
)

func TestRecovery_OpensWhenTheSecretIsLost(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]unseal.Material{"derive": derive(t), "jwk": jwkOf(t, ecKey(t), "")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := install()
			r := i.opened(t, m)
			want := derived(t, r.barrier)
			first, err := r.NewRecovery(t.Context(), 3, 2)
			require.NoError(t, err)
			shares, err := r.NewRecovery(t.Context(), 5, 3)
			require.NoError(t, err)
			for n, share := range shares[:3] {
				_, verified, err := r.VerifyRecovery(t.Context(), share)
				require.NoError(t, err)
				assert.Equal(t, n == 2, verified)
			}
			require.Error(t, r.Rehearse(t.Context(), first[0]), "a set that has been proven ends others")
			keys, err := r.RecoveryKeys(t.Context())
			require.NoError(t, err)
			require.Len(t, keys, 1)
			assert.False(t, keys[0].VerifiedAt.IsZero())
			assert.Empty(t, keys[0].Sealed)

			lost := i.replica(t, derive(t))
			require.ErrorIs(t, lost.Start(t.Context()), barrier.ErrWrongUnsealKey)
			for _, share := range shares[2:] {
				require.NoError(t, lost.Rehearse(t.Context(), share))
				submit(t, lost.Operator, share)
			}
			assert.Equal(t, want, derived(t, lost.barrier))

			// The same shares authorize a rekeying to material that is not lost.
			next := derive(t)
			status, err := lost.StartRekey(t.Context(), unseal.RekeyRequest{Material: next})
			require.NoError(t, err)
			assert.Equal(t, unseal.RekeyAuthorizing, status.State)
			for _, share := range shares[:3] {
				status, err = lost.AuthorizeRekey(t.Context(), share)
				require.NoError(t, err)
			}
			assert.Equal(t, unseal.RekeyStaged, status.State)
			verify(t, lost, next, nil)
			_, err = lost.CommitRekey(t.Context())
			require.NoError(t, err)
			assert.Equal(t, want, derived(t, i.opened(t, next).barrier))
			require.Error(t, lost.Rehearse(t.Context(), shares[0]), "a rekeying ends recovery shares")
		})
	}
	r := install().opened(t, shamir, newShares(t, 2, 2)...)
	_, err := r.NewRecovery(t.Context(), 3, 2)
	assertCode(t, err, "invalid_state")
}
