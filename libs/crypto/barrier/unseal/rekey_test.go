package unseal_test

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/barriertest"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secretshare"
)

// installation is a store with the material that opens it.
type installation struct {
	*barriertest.Store

	clock *clock
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func install() *installation {
	return &installation{&barriertest.Store{}, &clock{now: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)}}
}

// replica is one process of an installation.
type replica struct {
	*unseal.Operator

	barrier *barrier.Barrier
}

func (i *installation) replica(t *testing.T, m unseal.Material) *replica {
	t.Helper()
	b, err := barrier.New(barrier.Config{Store: i.Store, Now: i.clock.Now})
	require.NoError(t, err)
	o, err := unseal.New(unseal.Config{
		Barrier: b, Mode: m.Mode, Secret: m.Secret, JWK: m.JWK, Remote: m.Remote, Store: i.Store, Now: i.clock.Now, Installation: "here",
	})
	require.NoError(t, err)
	return &replica{o, b}
}

// opened is a replica that the material, and shares if it takes any, has opened.
func (i *installation) opened(t *testing.T, m unseal.Material, shares ...string) *replica {
	t.Helper()
	r := i.replica(t, m)
	require.NoError(t, r.Start(t.Context()))
	for _, share := range shares {
		_, err := r.SubmitShare(t.Context(), share)
		require.NoError(t, err)
	}
	require.False(t, r.barrier.Sealed())
	return r
}

func (i *installation) opens(t *testing.T, m unseal.Material, shares ...string) bool {
	t.Helper()
	r := i.replica(t, m)
	err := r.Start(t.Context())
	for _, share := range shares {
		if err == nil {
			_, err = r.SubmitShare(t.Context(), share)
		}
	}
	if r.barrier.Sealed() {
		require.Error(t, err)
	}
	return !r.barrier.Sealed()
}

var shamir = unseal.Material{Mode: unseal.Shamir} //nolint:gochecknoglobals // a constant

func derive(t *testing.T) unseal.Material {
	t.Helper()
	return unseal.Material{Mode: unseal.Derive, Secret: secret(t)}
}

func jwkOf(t *testing.T, material any, algorithm string) unseal.Material {
	t.Helper()
	key, err := jwk.FromMaterial(material, jwk.Attributes{Algorithm: algorithm})
	require.NoError(t, err)
	text, err := key.MarshalPrivate()
	require.NoError(t, err)
	return unseal.Material{Mode: unseal.JWK, JWK: text}
}

func ecKey(t *testing.T) *ecdh.PrivateKey {
	t.Helper()
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	require.NoError(t, err)
	return key
}

// remote is another installation.
type remote struct {
	key   []byte
	needs []string
	down  error
}

func (r *remote) Name() string { return "https://kms/unseal" }

func (r *remote) Wrap(_ context.Context, key []byte, context string) (string, error) {
	return string(append(xor(key, r.key), context...)), r.down
}

func (r *remote) Unwrap(_ context.Context, wrapped, context string) ([]byte, error) {
	if wrapped[32:] != context {
		return nil, errors.New("another context")
	}
	return xor([]byte(wrapped[:32]), r.key), r.down
}

func (r *remote) Dependencies(context.Context) ([]string, error) { return r.needs, nil }

func xor(a, b []byte) []byte {
	out := make([]byte, len(a))
	for i := range a {
		out[i] = a[i] ^ b[i]
	}
	return out
}

// From every mode to every other one: the old opens until the commit, the new from the staging on, and what is stored stays.
func TestRekey_FromEachModeToEachMode(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	other := &remote{key: bytes.Repeat([]byte{3}, 32), needs: []string{"there"}}
	modes := map[string]func() unseal.Material{
		"derive":     func() unseal.Material { return derive(t) },
		"shamir":     func() unseal.Material { return shamir },
		"jwk RSA":    func() unseal.Material { return jwkOf(t, rsaKey, "") },
		"jwk EC":     func() unseal.Material { return jwkOf(t, ecKey(t), "ECDH-ES+A256KW") },
		"jwk secret": func() unseal.Material { return jwkOf(t, secret(t), "") },
		"kms":        func() unseal.Material { return unseal.Material{Mode: unseal.KMS, Remote: other} },
	}
	for from, oldMaterial := range modes {
		for to, newMaterial := range modes {
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				i, old, next := install(), oldMaterial(), newMaterial()
				var oldShares []string
				if old.Mode == unseal.Shamir {
					oldShares = newShares(t, 3, 2)[:2]
				}
				r := i.opened(t, old, oldShares...)
				want := derived(t, r.barrier)
				newShares := stage(t, r, next, oldShares)

				assert.True(t, i.opens(t, old, oldShares...), "the old opens while it is staged")
				assert.True(t, i.opens(t, next, newShares[:min(2, len(newShares))]...), "so does the new")
				_, err := r.CommitRekey(t.Context())
				require.ErrorIs(t, err, unseal.ErrNotVerified)
				assertCode(t, err, "invalid_state")
				verify(t, r, next, newShares)
				status, err := r.CommitRekey(t.Context())
				require.NoError(t, err)
				assert.Equal(t, unseal.RekeyNone, status.State)

				assert.Equal(t, want, derived(t, i.opened(t, next, newShares[:min(2, len(newShares))]...).barrier))
				if from != to || from != "kms" && from != "jwk RSA" { // these two stay the same here: only the unseal key changes
					assert.False(t, i.opens(t, old, oldShares...), "the old opens nothing any more")
				}

				// The process itself goes on with the new material.
				require.NoError(t, r.Seal(t.Context()))
				require.NoError(t, r.Start(t.Context()))
				for _, share := range newShares[min(1, len(newShares)):] {
					_, err := r.SubmitShare(t.Context(), share)
					require.NoError(t, err)
				}
				assert.Equal(t, want, derived(t, r.barrier))
				assert.Equal(t, next.Mode, r.Status().Mode)
			})
		}
	}
}

// stage brings a rekeying to the state staged; the result is its new shares, for mode shamir.
func stage(t *testing.T, r *replica, next unseal.Material, oldShares []string) []string {
	t.Helper()
	request := unseal.RekeyRequest{Material: next}
	if next.Mode == unseal.Shamir {
		request.Shares, request.Threshold = 3, 2
	}
	status, err := r.StartRekey(t.Context(), request)
	require.NoError(t, err)
	for n, share := range oldShares {
		require.Equal(t, unseal.RekeyAuthorizing, status.State)
		assert.Equal(t, n, status.Progress.Submitted)
		status, err = r.AuthorizeRekey(t.Context(), share)
		require.NoError(t, err)
	}
	require.Equal(t, unseal.RekeyStaged, status.State)
	assert.Equal(t, next.Mode, status.Rekey.Mode)
	assert.Len(t, status.NewShares, request.Shares)
	again, err := r.RekeyStatus(t.Context())
	require.NoError(t, err)
	assert.Empty(t, again.NewShares, "they are told once")
	return status.NewShares
}

func verify(t *testing.T, r *replica, next unseal.Material, newShares []string) {
	t.Helper()
	proof := []string{""}
	if next.Mode == unseal.Shamir {
		proof = newShares[1:]
	}
	var status unseal.RekeyStatus
	for _, share := range proof {
		var err error
		status, err = r.VerifyRekey(t.Context(), share)
		require.NoError(t, err)
	}
	require.Equal(t, unseal.RekeyVerified, status.State)
}

func TestRekey_WrongSharesAreNamedAtOnce(t *testing.T) {
	t.Parallel()
	i := install()
	old, foreign := newShares(t, 3, 2), newShares(t, 3, 2)
	r := i.opened(t, shamir, old[:2]...)
	_, err := r.AuthorizeRekey(t.Context(), old[0])
	assertCode(t, err, "invalid_state")
	_, err = r.VerifyRekey(t.Context(), old[0])
	assertCode(t, err, "invalid_state")

	_, err = r.StartRekey(t.Context(), unseal.RekeyRequest{Material: shamir, Shares: 3, Threshold: 2})
	require.NoError(t, err)
	for _, wrong := range []string{"", "nonsense", foreign[1]} {
		_, err = r.AuthorizeRekey(t.Context(), wrong)
		assertCode(t, err, "bad_request")
	}
	_, err = r.AuthorizeRekey(t.Context(), old[0])
	require.NoError(t, err)
	_, err = r.AuthorizeRekey(t.Context(), old[0])
	require.ErrorIs(t, err, secretshare.ErrDuplicate)
	status, err := r.AuthorizeRekey(t.Context(), old[2])
	require.NoError(t, err)
	for _, wrong := range []string{"", old[0], foreign[0]} {
		_, err = r.VerifyRekey(t.Context(), wrong)
		assertCode(t, err, "bad_request")
	}
	_, err = r.VerifyRekey(t.Context(), status.NewShares[0])
	require.NoError(t, err)
	_, err = r.StartRekey(t.Context(), unseal.RekeyRequest{Material: derive(t)})
	require.ErrorIs(t, err, unseal.ErrRekeyExists)
	_, _, err = r.RotateRoot(t.Context(), old[0])
	require.NoError(t, err)
	_, _, err = r.RotateRoot(t.Context(), old[1])
	require.ErrorIs(t, err, barrier.ErrRekeying)
	assertCode(t, err, "invalid_state")

	// A new share opens, with others, from the staging on; after cancelling it does not.
	require.NoError(t, r.Rehearse(t.Context(), status.NewShares[2]))
	ended, err := r.CancelRekey(t.Context())
	require.NoError(t, err)
	assert.Equal(t, unseal.RekeyNone, ended.State)
	require.ErrorIs(t, r.Rehearse(t.Context(), status.NewShares[2]), secretshare.ErrForeign)
	assert.False(t, i.opens(t, shamir, status.NewShares[:2]...))
	assert.True(t, i.opens(t, shamir, old[1:]...))
	_, err = r.CancelRekey(t.Context())
	require.ErrorIs(t, err, unseal.ErrNoRekey)
}

func TestRekey_RefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	i, m := install(), derive(t)
	r := i.opened(t, m)
	loop := &remote{key: make([]byte, 32), needs: []string{"there", "here"}}
	public, err := jwk.FromMaterial(ecKey(t).PublicKey(), jwk.Attributes{})
	require.NoError(t, err)
	text, err := public.MarshalPublic()
	require.NoError(t, err)
	for name, request := range map[string]unseal.RekeyRequest{
		"no mode":             {},
		"dev":                 {Material: unseal.Material{Mode: unseal.Dev, Secret: secret(t)}},
		"same secret":         {Material: m},
		"short secret":        {Material: unseal.Material{Mode: unseal.Derive, Secret: secret(t)[1:]}},
		"threshold":           {Material: shamir, Shares: 3, Threshold: 4},
		"one share":           {Material: shamir, Shares: 1, Threshold: 1},
		"shares of a secret":  {Material: derive(t), Shares: 3, Threshold: 2},
		"public key":          {Material: unseal.Material{Mode: unseal.JWK, JWK: text}},
		"no key":              {Material: unseal.Material{Mode: unseal.JWK, JWK: []byte("{}")}},
		"a key for signing":   {Material: jwkOf(t, secret(t), "HS256")},
		"a cycle":             {Material: unseal.Material{Mode: unseal.KMS, Remote: loop}},
		"no remote":           {Material: unseal.Material{Mode: unseal.KMS}},
		"remote for a secret": {Material: unseal.Material{Mode: unseal.Derive, Secret: secret(t), Remote: loop}},
	} {
		_, err := r.StartRekey(t.Context(), request)
		require.Error(t, err, name)
		var coded interface{ ErrorCode() string }
		require.ErrorAs(t, err, &coded, name)
	}
	require.NoError(t, r.Seal(t.Context()))
	_, err = r.StartRekey(t.Context(), unseal.RekeyRequest{Material: derive(t)})
	require.ErrorIs(t, err, barrier.ErrSealed)
	assert.True(t, i.opens(t, m))
}

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
