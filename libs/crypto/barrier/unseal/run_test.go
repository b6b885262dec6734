package unseal_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/barriertest"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
)

// running starts a replica's Run until the test ends; told counts how often it unsealed by itself. It is for bubbles of synctest, whose clock everything follows.
func running(t *testing.T, store *barriertest.Store, m unseal.Material) *replica {
	t.Helper()
	b, err := barrier.New(barrier.Config{Store: store, Now: time.Now})
	require.NoError(t, err)
	r := &replica{barrier: b}
	r.Operator, err = unseal.New(unseal.Config{
		Barrier: b, Mode: m.Mode, Secret: m.Secret, JWK: m.JWK, Remote: m.Remote, Store: store, Unsealed: func(context.Context) { r.told.Add(1) },
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		r.Run(ctx)
		close(done)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return r
}

func TestRun_UnsealsWhenTheOtherInstallationIsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		other := &remote{key: bytes.Repeat([]byte{3}, 32), down: errors.New("away")}
		r := running(t, &barriertest.Store{}, unseal.Material{Mode: unseal.KMS, Remote: other})
		require.Error(t, r.Start(t.Context()))
		<-time.After(10 * time.Minute)
		synctest.Wait()
		assert.True(t, r.barrier.Sealed())
		other.down = nil
		<-time.After(2 * time.Minute)
		synctest.Wait()
		assert.False(t, r.barrier.Sealed())
		assert.EqualValues(t, 1, r.told.Load())

		require.NoError(t, r.Seal(t.Context()))
		<-time.After(time.Hour)
		synctest.Wait()
		assert.True(t, r.barrier.Sealed(), "who was sealed by somebody waits for somebody")
		require.NoError(t, r.Start(t.Context()))
	})
}

func TestRun_FollowsAndDropsSharesInTime(t *testing.T) {
	t.Parallel()
	shares := newShares(t, 3, 2)
	synctest.Test(t, func(t *testing.T) {
		store := &barriertest.Store{}
		r, other := running(t, store, shamir), running(t, store, shamir)
		for _, share := range shares[:2] {
			submit(t, r.Operator, share)
			submit(t, other.Operator, share)
		}
		for _, share := range shares[1:] {
			_, _, err := r.RotateRoot(t.Context(), share)
			require.NoError(t, err)
		}
		// The successions end after an hour; by then the other replica has followed, though nobody used it.
		<-time.After(2 * barrier.SuccessionTime)
		synctest.Wait()
		left, err := store.Keys(t.Context(), barrier.LevelSuccession, "")
		require.NoError(t, err)
		assert.Empty(t, left)
		require.NoError(t, other.barrier.Follow(t.Context()))
		_, err = r.barrier.Tenant(t.Context(), "a")
		require.NoError(t, err)
		_, err = other.barrier.Tenant(t.Context(), "a")
		require.NoError(t, err)

		require.NoError(t, r.Seal(t.Context()))
		submit(t, r.Operator, shares[0])
		<-time.After(unseal.ShareTime + time.Minute)
		synctest.Wait()
		assert.Zero(t, r.Status().Submitted)
	})
}

// A replica with a secret that was away for too long catches up by itself.
func TestRun_CatchesUpWithItsOwnMaterial(t *testing.T) {
	t.Parallel()
	m := derive(t)
	synctest.Test(t, func(t *testing.T) {
		store := &barriertest.Store{}
		late := running(t, store, m)
		require.NoError(t, late.Start(t.Context()))
		r := running(t, store, m)
		require.NoError(t, r.Start(t.Context()))
		_, _, err := r.RotateRoot(t.Context(), "")
		require.NoError(t, err)
		require.NoError(t, store.Expire(t.Context(), barrier.LevelSuccession, time.Now().Add(time.Hour)))
		require.ErrorIs(t, late.barrier.Follow(t.Context()), barrier.ErrBehind)
		<-time.After(time.Minute)
		synctest.Wait()
		require.NoError(t, late.barrier.Follow(t.Context()))
	})
}
