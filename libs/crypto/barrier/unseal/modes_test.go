package unseal_test

import (
	"bytes"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
)

// Shares that wait too long are dropped: nobody finds half a threshold in a process the next day.
func TestShares_AreDroppedAfterTenMinutes(t *testing.T) {
	t.Parallel()
	i := install()
	shares := newShares(t, 3, 2)
	r := i.replica(t, shamir)
	submit(t, r.Operator, shares[0])
	i.clock.pass(unseal.ShareTime - time.Second)
	assert.Equal(t, 1, r.Status().Submitted)
	i.clock.pass(time.Second)
	assert.Zero(t, r.Status().Submitted)
	assert.True(t, submit(t, r.Operator, shares[1]).Sealed, "the first one does not count any more")
	i.clock.pass(unseal.ShareTime / 2)
	assert.False(t, submit(t, r.Operator, shares[0]).Sealed)

	_, done, err := r.RotateRoot(t.Context(), shares[0])
	require.NoError(t, err)
	assert.False(t, done)
	i.clock.pass(unseal.ShareTime)
	progress, done, err := r.RotateRoot(t.Context(), shares[1])
	require.NoError(t, err)
	assert.False(t, done)
	assert.Equal(t, 1, progress.Submitted)
	_, done, err = r.RotateRoot(t.Context(), shares[2])
	require.NoError(t, err)
	assert.True(t, done)
}

func TestRotateRoot_ReplicasFollowInEveryMode(t *testing.T) {
	t.Parallel()
	shares := newShares(t, 3, 2)
	for name, m := range map[string]unseal.Material{"shamir": shamir, "derive": derive(t), "jwk": jwkOf(t, ecKey(t), "")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := install()
			var mine []string
			if m.Mode == unseal.Shamir {
				mine = shares[:2]
			}
			r, other := i.opened(t, m, mine...), i.opened(t, m, mine...)
			want := derived(t, r.barrier)
			for range 2 {
				done := false
				for _, share := range append(mine, "")[:max(1, len(mine))] {
					var err error
					_, done, err = r.RotateRoot(t.Context(), share)
					require.NoError(t, err)
				}
				assert.True(t, done)
			}
			roots, err := r.barrier.Versions(t.Context(), barrier.LevelRoot, "")
			require.NoError(t, err)
			assert.Len(t, roots, 3)
			require.NoError(t, other.barrier.Follow(t.Context()))
			_, err = r.barrier.Tenant(t.Context(), "a")
			require.NoError(t, err)
			_, err = other.barrier.Tenant(t.Context(), "a")
			require.NoError(t, err)
			assert.Equal(t, want, derived(t, other.barrier))
			assert.Equal(t, want, derived(t, i.opened(t, m, mine...).barrier))
		})
	}
}

func TestSealedModes_StartTogetherAndAgain(t *testing.T) {
	t.Parallel()
	i, m := install(), jwkOf(t, ecKey(t), "")
	var group sync.WaitGroup
	replicas := make([]*replica, 6)
	for n := range replicas {
		replicas[n] = i.replica(t, m)
	}
	for _, r := range replicas {
		group.Go(func() { assert.NoError(t, r.Start(t.Context())) })
	}
	group.Wait()
	for _, r := range replicas {
		assert.Equal(t, derived(t, replicas[0].barrier), derived(t, r.barrier))
	}
	wrong := i.replica(t, jwkOf(t, ecKey(t), ""))
	require.ErrorIs(t, wrong.Start(t.Context()), barrier.ErrWrongUnsealKey)
	assert.Contains(t, wrong.Status().Reason, "does not open")
}

func TestKMS_AwayOrInACycle(t *testing.T) {
	t.Parallel()
	i := install()
	other := &remote{key: bytes.Repeat([]byte{3}, 32)}
	m := unseal.Material{Mode: unseal.KMS, Remote: other}
	i.opened(t, m)
	other.down = errors.New("the KMS is away")
	r := i.replica(t, m)
	require.ErrorIs(t, r.Start(t.Context()), other.down)
	assert.True(t, r.Status().Sealed)
	other.down, other.needs = nil, []string{"there", "here"}
	err := r.Start(t.Context())
	assertCode(t, err, "invalid_state")
	assert.Contains(t, r.Status().Reason, "its own unsealing needs it")
	other.needs = []string{"there"}
	require.NoError(t, r.Start(t.Context()))
}
