package barrierstore_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/barrierstore"
)

var _ unseal.Store = (*barrierstore.Store)(nil)

// replica is one process on a store.
type replica struct {
	*unseal.Operator

	barrier *barrier.Barrier
}

func newReplica(t *testing.T, store *barrierstore.Store, m unseal.Material) *replica {
	t.Helper()
	b, err := barrier.New(barrier.Config{Store: store, Now: time.Now})
	require.NoError(t, err)
	o, err := unseal.New(unseal.Config{Barrier: b, Mode: m.Mode, Secret: m.Secret, Store: store})
	require.NoError(t, err)
	return &replica{o, b}
}

// start opens the barrier; an error says that the material is not in force.
func (r *replica) start(t *testing.T, shares ...string) error {
	t.Helper()
	err := r.Start(t.Context())
	for _, share := range shares {
		if err == nil {
			_, err = r.SubmitShare(t.Context(), share)
		}
	}
	return err
}

func derive(fill byte) unseal.Material {
	return unseal.Material{Mode: unseal.Derive, Secret: bytes.Repeat([]byte{fill}, unseal.SecretSize)}
}

// rekey goes through all steps; the result is the new shares, for mode shamir.
func (r *replica) rekey(ctx context.Context, m unseal.Material, old ...string) ([]string, error) {
	request, proof := unseal.RekeyRequest{Material: m}, []string{""}
	if m.Mode == unseal.Shamir {
		request.Shares, request.Threshold = 3, 2
	}
	status, err := r.StartRekey(ctx, request)
	for _, share := range old {
		if err == nil {
			status, err = r.AuthorizeRekey(ctx, share)
		}
	}
	if m.Mode == unseal.Shamir && err == nil {
		proof = status.NewShares[:2]
	}
	for _, share := range proof {
		if err == nil {
			_, err = r.VerifyRekey(ctx, share)
		}
	}
	if err == nil {
		_, err = r.CommitRekey(ctx)
	}
	return status.NewShares, err
}

// One replica changes the unseal material and rotates everything while the other one works. The other keeps working, and what either wrote opens
// on both, and on a third that starts with the new material.
func TestReplicas_RekeyAndRotateWhileTheOtherWorks(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ *database.DB, store *barrierstore.Store) {
		admin, worker := newReplica(t, store, derive(1)), newReplica(t, store, derive(1))
		require.NoError(t, admin.start(t))
		require.NoError(t, worker.start(t))
		place := barrier.Binding{Tenant: "a", Purpose: "test", ID: "1"}
		done := make(chan struct{})
		var values []string
		var group sync.WaitGroup
		group.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				w, err := worker.barrier.Tenant(t.Context(), "a")
				if !assert.NoError(t, err) {
					return
				}
				value, err := w.Wrap(place, []byte("value"))
				if !assert.NoError(t, err) {
					return
				}
				values = append(values, value)
				assert.NoError(t, worker.barrier.Follow(t.Context()))
			}
		})
		_, _, err := admin.RotateRoot(t.Context(), "")
		require.NoError(t, err)
		shares, err := admin.rekey(t.Context(), unseal.Material{Mode: unseal.Shamir})
		require.NoError(t, err)
		for _, share := range shares[1:] {
			_, _, err := admin.RotateRoot(t.Context(), share)
			require.NoError(t, err)
		}
		for _, level := range []barrier.Level{barrier.LevelIntermediate, barrier.LevelContent} {
			require.NoError(t, admin.barrier.Rotate(t.Context(), "a", level))
		}
		_, err = admin.barrier.RewrapKeys(t.Context(), "a")
		require.NoError(t, err)
		_, err = admin.rekey(t.Context(), derive(2), shares[0], shares[2])
		require.NoError(t, err)
		_, _, err = admin.RotateRoot(t.Context(), "")
		require.NoError(t, err)
		close(done)
		group.Wait()

		fresh := newReplica(t, store, derive(2))
		require.NoError(t, fresh.start(t))
		require.NotEmpty(t, values)
		for _, b := range []*barrier.Barrier{admin.barrier, worker.barrier, fresh.barrier} {
			for _, value := range values {
				got, err := b.Unwrap(t.Context(), place, value)
				require.NoError(t, err)
				require.Equal(t, "value", string(got))
			}
		}
		roots, err := store.Keys(t.Context(), barrier.LevelRoot, "")
		require.NoError(t, err)
		assert.Len(t, roots, 4)
		require.ErrorIs(t, newReplica(t, store, derive(1)).start(t), barrier.ErrWrongUnsealKey)
		require.Error(t, newReplica(t, store, unseal.Material{Mode: unseal.Shamir}).start(t, shares...))
	})
}

// Replicas rotate and rekey against each other. Whoever wins, the root keys stay under one unseal key, and it is known which.
func TestReplicas_RacingRotationsAndRekeyings(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ *database.DB, store *barrierstore.Store) {
		require.NoError(t, newReplica(t, store, derive(0)).start(t))
		current := byte(0)
		for round := range 3 {
			var group sync.WaitGroup
			var mu sync.Mutex
			won := []byte{}
			var replicas [4]*replica
			for n := range replicas {
				replicas[n] = newReplica(t, store, derive(current))
				require.NoError(t, replicas[n].start(t))
			}
			for n, r := range replicas {
				next := byte(round*10 + 10 + n)
				group.Go(func() {
					var err error
					if n < 2 {
						_, _, err = r.RotateRoot(t.Context(), "")
					} else if _, err = r.rekey(t.Context(), derive(next)); err == nil {
						mu.Lock()
						won = append(won, next)
						mu.Unlock()
					}
					if err != nil {
						assert.True(t, isInvalidState(err) || errors.Is(err, barrier.ErrWrongUnsealKey), "%v", err)
					}
				})
			}
			group.Wait()
			rekey, err := store.Rekey(t.Context())
			if err == nil { // lost against a rotation between its steps
				require.NoError(t, store.CancelRekey(t.Context(), rekey.ID))
			}
			if len(won) > 0 {
				current = won[len(won)-1]
			}
			r := newReplica(t, store, derive(current))
			if err := r.start(t); err != nil && len(won) == 2 { // the order of two commits is not that of their notes
				current = won[0]
				r = newReplica(t, store, derive(current))
				require.NoError(t, r.start(t))
			}
			require.False(t, r.barrier.Sealed())
			roots, err := store.Keys(t.Context(), barrier.LevelRoot, "")
			require.NoError(t, err)
			for _, root := range roots {
				assert.Equal(t, roots[0].ParentID, root.ParentID)
			}
		}
	})
}

// What is staged belongs to the root keys as they were; a commit that would leave one of them behind is refused.
func TestCommitRekey_RefusesWhatWouldLeaveARootKeyBehind(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB, store *barrierstore.Store) {
		r := newReplica(t, store, derive(1))
		require.NoError(t, r.start(t))
		_, err := r.StartRekey(t.Context(), unseal.RekeyRequest{Material: derive(2)})
		require.NoError(t, err)
		_, err = r.CommitRekey(t.Context())
		require.ErrorIs(t, err, unseal.ErrNotVerified)
		_, err = r.VerifyRekey(t.Context(), "")
		require.NoError(t, err)
		_, _, err = r.RotateRoot(t.Context(), "")
		require.ErrorIs(t, err, barrier.ErrRekeying)

		// A process of the release before knows nothing of rekeyings.
		_, err = db.Exec(everywhere(t), `INSERT INTO barrier_keys (tenant_id, level, version, id, parent_id, jwe, created_at)
			SELECT '', 'root', 2, 'behind', parent_id, jwe, created_at FROM barrier_keys WHERE level = 'root'`)
		require.NoError(t, err)
		_, err = r.CommitRekey(t.Context())
		require.ErrorIs(t, err, unseal.ErrRootsChanged)
		_, err = db.Exec(everywhere(t), "DELETE FROM barrier_keys WHERE id = 'behind'")
		require.NoError(t, err)
		require.NoError(t, newReplica(t, store, derive(1)).start(t), "nothing was changed")
		require.NoError(t, newReplica(t, store, derive(2)).start(t))

		rekey, err := store.Rekey(t.Context())
		require.NoError(t, err)
		require.ErrorIs(t, store.CommitRekey(t.Context(), "another"), unseal.ErrNoRekey)
		require.ErrorIs(t, store.StageRekey(t.Context(), rekey, nil, nil), unseal.ErrRekeyExists)
		_, err = r.CommitRekey(t.Context())
		require.NoError(t, err)
		for _, level := range []barrier.Level{barrier.LevelStaged} {
			keys, err := store.Keys(t.Context(), level, "")
			require.NoError(t, err)
			assert.Empty(t, keys)
		}
		require.ErrorIs(t, store.StageRekey(t.Context(), rekey, nil, nil), unseal.ErrRootsChanged)
	})
}

func TestSealedKeys_ComeBackAndGoWithTheirUnsealKey(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ *database.DB, store *barrierstore.Store) {
		at := time.Date(2030, 1, 2, 3, 4, 5, 6000, time.UTC)
		r := newReplica(t, store, derive(1))
		require.NoError(t, r.start(t))
		shares, err := r.NewRecovery(t.Context(), 3, 2)
		require.NoError(t, err)
		key := unseal.SealedKey{ID: "k", UnsealKeyID: "u", Mode: unseal.JWK, Sealer: "s", Sealed: "text", CreatedAt: at}
		require.NoError(t, store.AddSealedKey(t.Context(), key))
		require.Error(t, store.AddSealedKey(t.Context(), key), "an id stands for one only")
		keys, err := store.SealedKeys(t.Context())
		require.NoError(t, err)
		require.Len(t, keys, 2)
		assert.Contains(t, keys, key)
		require.Error(t, store.ConfirmRecovery(t.Context(), "k", at), "it is no recovery key")
		for _, share := range shares[:2] {
			_, _, err = r.VerifyRecovery(t.Context(), share)
			require.NoError(t, err)
		}
		lost := newReplica(t, store, derive(9))
		require.Error(t, lost.start(t))
		for _, share := range shares[1:] {
			_, err := lost.SubmitShare(t.Context(), share)
			require.NoError(t, err)
		}
		assert.False(t, lost.barrier.Sealed())
		_, err = r.rekey(t.Context(), derive(2))
		require.NoError(t, err)
		keys, err = store.SealedKeys(t.Context())
		require.NoError(t, err)
		assert.Empty(t, keys)
	})
}
