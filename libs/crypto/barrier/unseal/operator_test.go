package unseal_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secretshare"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

func TestShamir_ThresholdSharesUnseal(t *testing.T) {
	t.Parallel()
	store := &memStore{}
	shares := newShares(t, 5, 3)
	o, b := operator(t, store, unseal.Shamir, nil)
	require.NoError(t, o.Start(t.Context()))
	status := o.Status()
	assert.Equal(t, unseal.Status{Sealed: true, Mode: unseal.Shamir, Reason: "waiting for unseal shares"}, status)

	status = submit(t, o, shares[4])
	assert.True(t, status.Sealed)
	assert.Equal(t, 1, status.Submitted)
	assert.Equal(t, 3, status.Threshold)
	assert.NotEmpty(t, status.SetID)
	assert.Contains(t, status.Reason, "waiting for 2 more")
	submit(t, o, shares[0])
	status = submit(t, o, shares[2])
	assert.Equal(t, unseal.Status{Mode: unseal.Shamir}, status)
	want := derived(t, b)

	// A late share changes nothing; then once more with other shares, and on another replica.
	assert.False(t, submit(t, o, shares[1]).Sealed)
	require.NoError(t, o.Seal(t.Context()))
	assert.Equal(t, "sealed by an operator", o.Status().Reason)
	assert.True(t, b.Sealed())
	replica, other := operator(t, store, unseal.Shamir, nil)
	for _, i := range []int{3, 1, 0} {
		submit(t, o, shares[i])
		submit(t, replica, shares[i])
	}
	assert.Equal(t, want, derived(t, b))
	assert.Equal(t, want, derived(t, other))
}

func TestShamir_NamesABadShareAtOnceAndKeepsTheGoodOnes(t *testing.T) {
	t.Parallel()
	shares, foreign := newShares(t, 5, 3), newShares(t, 5, 3)
	o, b := operator(t, &memStore{}, unseal.Shamir, nil)
	submit(t, o, shares[0])
	damaged := []byte(shares[1])
	damaged[50] ^= 1
	for _, c := range []struct {
		text  string
		want  error
		index int
	}{
		{string(damaged), secretshare.ErrDamaged, 2},
		{shares[0], secretshare.ErrDuplicate, 1},
		{foreign[3], secretshare.ErrForeign, 4},
		{"nonsense", secretshare.ErrInvalid, 0},
	} {
		status, err := o.SubmitShare(t.Context(), c.text)
		require.ErrorIs(t, err, c.want)
		var named *secretshare.ShareError
		require.ErrorAs(t, err, &named)
		assert.Equal(t, c.index, named.Index)
		assertCode(t, err, "bad_request")
		assert.Equal(t, 1, status.Submitted)
	}
	submit(t, o, shares[1])
	assert.False(t, submit(t, o, shares[4]).Sealed)
	derived(t, b)
}

// The stored root key names its set, so that already the first share of another is refused.
func TestShamir_KnowsTheSetOfTheStoredRootKey(t *testing.T) {
	t.Parallel()
	store := &memStore{}
	shares, foreign := newShares(t, 3, 2), newShares(t, 3, 2)
	o, b := operator(t, store, unseal.Shamir, nil)
	submit(t, o, shares[0])
	submit(t, o, shares[1])
	b.Seal()

	status, err := o.SubmitShare(t.Context(), foreign[0])
	require.ErrorIs(t, err, secretshare.ErrForeign)
	assert.Equal(t, 0, status.Submitted)
	require.ErrorIs(t, o.Rehearse(t.Context(), foreign[0]), secretshare.ErrForeign)
	require.NoError(t, o.Rehearse(t.Context(), shares[2]))
	assert.Equal(t, 0, o.Status().Submitted, "a rehearsal keeps nothing")
}

func TestShamir_SealStartsAnewAfterAWrongFirstShare(t *testing.T) {
	t.Parallel()
	shares, foreign := newShares(t, 3, 2), newShares(t, 3, 2)
	o, _ := operator(t, &memStore{}, unseal.Shamir, nil)
	submit(t, o, foreign[0])
	_, err := o.SubmitShare(t.Context(), shares[0])
	require.ErrorIs(t, err, secretshare.ErrForeign)
	require.NoError(t, o.Seal(t.Context()))
	submit(t, o, shares[0])
	assert.False(t, submit(t, o, shares[1]).Sealed)
}

func TestShamir_AFailureToOpenTheRootForgetsTheShares(t *testing.T) {
	t.Parallel()
	store := &memStore{}
	shares := newShares(t, 3, 2)
	o, b := operator(t, store, unseal.Shamir, nil)
	submit(t, o, shares[0])
	away := errors.New("the database is away")
	store.failInserts(away)
	status, err := o.SubmitShare(t.Context(), shares[1])
	require.ErrorIs(t, err, away)
	assert.True(t, status.Sealed)
	assert.Zero(t, status.Submitted)
	assert.Contains(t, status.Reason, "failed")
	store.failInserts(nil)

	// Somebody else's installation has taken the store meanwhile: the key is the wrong one.
	submit(t, o, shares[0])
	other, _ := operator(t, store, unseal.Derive, secret(t))
	store.beforeInsert(func() { assert.NoError(t, other.Start(t.Context())) })
	status, err = o.SubmitShare(t.Context(), shares[1])
	require.ErrorIs(t, err, barrier.ErrWrongUnsealKey)
	assertCode(t, err, "bad_request")
	assert.True(t, b.Sealed())
	assert.Zero(t, status.Submitted)
	assert.Contains(t, status.Reason, "does not open the root key")
}

func TestShamir_ConcurrentSubmissionsUnsealOnce(t *testing.T) {
	t.Parallel()
	shares := newShares(t, 20, 7)
	o, b := operator(t, &memStore{}, unseal.Shamir, nil)
	var wg sync.WaitGroup
	for _, text := range shares {
		for range 2 {
			wg.Go(func() {
				if _, err := o.SubmitShare(t.Context(), text); err != nil {
					assert.ErrorIs(t, err, secretshare.ErrDuplicate)
				}
			})
		}
	}
	wg.Wait()
	assert.Equal(t, unseal.Status{Mode: unseal.Shamir}, o.Status())
	derived(t, b)
}

func TestDerive_UnsealsAtOnceAndAgain(t *testing.T) {
	t.Parallel()
	store := &memStore{}
	given := secret(t)
	o, b := operator(t, store, unseal.Derive, given)
	replica, other := operator(t, store, unseal.Derive, bytes.Clone(given))
	clear(given) // The operator has its own copy.
	require.NoError(t, o.Start(t.Context()))
	require.NoError(t, replica.Start(t.Context()))
	assert.Equal(t, derived(t, b), derived(t, other))
	assert.Equal(t, unseal.Status{Mode: unseal.Derive}, o.Status())

	require.NoError(t, o.Seal(t.Context()))
	assert.Equal(t, unseal.Status{Sealed: true, Mode: unseal.Derive, Reason: "sealed by an operator"}, o.Status())
	require.NoError(t, o.Start(t.Context()))
	assert.Equal(t, derived(t, b), derived(t, other))
}

func TestDerive_WrongSecretSaysSo(t *testing.T) {
	t.Parallel()
	store := &memStore{}
	right, _ := operator(t, store, unseal.Derive, secret(t))
	require.NoError(t, right.Start(t.Context()))
	wrong, b := operator(t, store, unseal.Derive, secret(t))
	require.ErrorIs(t, wrong.Start(t.Context()), barrier.ErrWrongUnsealKey)
	assert.True(t, b.Sealed())
	assert.Contains(t, wrong.Status().Reason, "does not open the root key")

	_, err := wrong.SubmitShare(t.Context(), newShares(t, 3, 2)[0])
	require.Error(t, err)
	assertCode(t, err, "invalid_state")
}

// A secret that is known as a Shamir secret must not open as a derive secret, and the reverse.
func TestModes_DoNotOpenEachOther(t *testing.T) {
	t.Parallel()
	store := &memStore{}
	shares := newShares(t, 2, 2)
	o, _ := operator(t, store, unseal.Shamir, nil)
	submit(t, o, shares[0])
	submit(t, o, shares[1])
	var set []secretshare.Share
	for _, text := range shares {
		share, err := secretshare.ParseShare(text)
		require.NoError(t, err)
		set = append(set, share)
	}
	same, err := secretshare.Combine(set)
	require.NoError(t, err)
	derive, _ := operator(t, store, unseal.Derive, same)
	require.ErrorIs(t, derive.Start(t.Context()), barrier.ErrWrongUnsealKey)
}

func TestNew_ChecksModeAndSecret(t *testing.T) {
	t.Parallel()
	b := newBarrier(t, &memStore{})
	for _, config := range []unseal.Config{
		{},
		{Mode: unseal.Derive, Secret: secret(t)},
		{Barrier: b},
		{Barrier: b, Mode: "jwk", Secret: secret(t)},
		{Barrier: b, Mode: unseal.Derive},
		{Barrier: b, Mode: unseal.Dev, Secret: secret(t)[:31]},
		{Barrier: b, Mode: unseal.Shamir, Secret: secret(t)},
	} {
		_, err := unseal.New(config)
		require.Error(t, err)
	}
	for _, c := range [][2]int{{1, 1}, {3, 1}, {3, 4}, {256, 2}} {
		_, err := unseal.NewShares(c[0], c[1])
		require.Error(t, err)
	}
}

func TestOperator_HidesItsSecret(t *testing.T) {
	t.Parallel()
	o, _ := operator(t, &memStore{}, unseal.Derive, bytes.Repeat([]byte{77}, unseal.SecretSize))
	for _, shown := range []string{fmt.Sprint(o), fmt.Sprintf("%+v %#v", o, o), o.LogValue().String()} {
		assert.Contains(t, shown, "unseal operator in mode derive")
		assert.NotContains(t, shown, "77")
	}
}

// memStore is a store in memory that can be told to fail.
type memStore struct {
	mu     sync.Mutex
	rows   []barrier.WrappedKey
	fail   error
	before func()
}

func (s *memStore) Keys(_ context.Context, level barrier.Level, tenant string) ([]barrier.WrappedKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []barrier.WrappedKey
	for _, row := range s.rows {
		if row.Level == level && row.Tenant == tenant {
			found = append(found, row)
		}
	}
	return found, nil
}

func (s *memStore) Insert(_ context.Context, keys ...barrier.WrappedKey) (bool, error) {
	s.mu.Lock()
	before := s.before
	s.before = nil
	s.mu.Unlock()
	if before != nil {
		before()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return false, s.fail
	}
	for _, row := range s.rows {
		if row.Level == keys[0].Level && row.Tenant == keys[0].Tenant && row.Version == keys[0].Version {
			return false, nil
		}
	}
	s.rows = append(s.rows, keys...)
	return true, nil
}

func (s *memStore) Replace(context.Context, barrier.WrappedKey, barrier.WrappedKey) (bool, error) {
	return false, errors.New("nothing here is replaced")
}

func (s *memStore) Generation(context.Context) (int64, error) { return 0, nil }

func (s *memStore) Expire(context.Context, barrier.Level, time.Time) error { return nil }

func (s *memStore) failInserts(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

// beforeInsert runs f once, before the next insertion.
func (s *memStore) beforeInsert(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = f
}

func newBarrier(t *testing.T, store barrier.Store) *barrier.Barrier {
	t.Helper()
	b, err := barrier.New(barrier.Config{Store: store, Now: time.Now})
	require.NoError(t, err)
	return b
}

func operator(t *testing.T, store barrier.Store, mode unseal.Mode, secret []byte) (*unseal.Operator, *barrier.Barrier) {
	t.Helper()
	b := newBarrier(t, store)
	o, err := unseal.New(unseal.Config{Barrier: b, Mode: mode, Secret: secret})
	require.NoError(t, err)
	return o, b
}

func newShares(t *testing.T, shares, threshold int) []string {
	t.Helper()
	texts, err := unseal.NewShares(shares, threshold)
	require.NoError(t, err)
	require.Len(t, texts, shares)
	return texts
}

func submit(t *testing.T, o *unseal.Operator, text string) unseal.Status {
	t.Helper()
	status, err := o.SubmitShare(t.Context(), text)
	require.NoError(t, err)
	return status
}

func derived(t *testing.T, b *barrier.Barrier) []byte {
	t.Helper()
	key, err := b.DeriveKey("test", 32)
	require.NoError(t, err)
	return key
}

func secret(t *testing.T) []byte {
	t.Helper()
	b := make([]byte, unseal.SecretSize)
	_, err := rand.Read(b)
	require.NoError(t, err)
	return b
}

func assertCode(t *testing.T, err error, code string) {
	t.Helper()
	var coded interface {
		error
		ErrorCode() string
		ErrorDetail() string
	}
	require.ErrorAs(t, err, &coded)
	assert.Equal(t, code, coded.ErrorCode())
	assert.NotEmpty(t, coded.ErrorDetail())
}
