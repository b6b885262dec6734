package accesstoken_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/accesstoken"
	"github.com/cryptoutil/cryptoutil/libs/federation"
)

func TestReplays_RefuseWhatTheyCannotRemember(t *testing.T) {
	t.Parallel()
	now := &clock{now: time.Unix(1_800_000_000, 0)}
	r := accesstoken.NewReplays(16, now.Now)
	use := func(key string, id int) (bool, error) {
		return r.First(t.Context(), key, accesstoken.ProofID{byte(id)}, time.Time{})
	}
	for id := range 16 {
		first, err := use(string(rune('a'+id/2)), id)
		require.NoError(t, err)
		require.True(t, first)
	}
	_, err := use("z", 16)
	requireCode(t, "overloaded", err, "to forget one would let it in again")
	for id := range 16 {
		first, err := use("a", id)
		require.NoError(t, err)
		require.False(t, first)
	}
	now.Add(59 * time.Second)
	_, err = use("z", 16)
	requireCode(t, "overloaded", err)
	now.Add(time.Second)
	for id := 16; id < 18; id++ {
		first, err := use("z", id)
		require.NoError(t, err)
		require.True(t, first)
	}
	_, err = use("z", 18)
	requireCode(t, "rate_limited", err, "one key has an eighth")
	first, err := use("y", 18)
	require.NoError(t, err)
	require.True(t, first)
	first, err = use("a", 3)
	require.NoError(t, err)
	require.False(t, first, "those of the minute before are still there")
	now.Add(2 * time.Minute)
	first, err = use("a", 3)
	require.NoError(t, err)
	require.True(t, first)
}

// secrets is a double of the barrier.
type secrets struct {
	key    byte
	sealed bool
}

func (s secrets) DeriveKey(_ string, n int) ([]byte, error) {
	if s.sealed {
		return nil, assert.AnError
	}
	return []byte(strings.Repeat(string(rune(s.key)), n)), nil
}

func TestDPoP_WithNoncesOfAnyReplica(t *testing.T) {
	t.Parallel()
	var now *clock
	f := newFixture(t, func(_ *federation.IdentityConfig, deps *accesstoken.Deps) {
		deps.Nonces = accesstoken.NewNonces(secrets{key: 'k'}, func() time.Time { return now.Now() })
	})
	now = f.clock
	p := newProver(t, f, "ES256")
	_, err := p.fresh(t, nil)
	requireCode(t, "unauthenticated", err)
	said := challenge(t, err)
	assert.Contains(t, said["Www-Authenticate"][1], `error="use_dpop_nonce"`)
	nonce := said.Get("DPoP-Nonce")
	require.NotEmpty(t, nonce)
	_, err = p.fresh(t, object{"nonce": nonce})
	require.NoError(t, err)

	replica := accesstoken.NewNonces(secrets{key: 'k'}, f.clock.Now)
	stranger := accesstoken.NewNonces(secrets{key: 'x'}, f.clock.Now)
	theirs, err := replica.Current()
	require.NoError(t, err)
	_, err = p.fresh(t, object{"nonce": theirs})
	require.NoError(t, err)
	wrong, err := stranger.Current()
	require.NoError(t, err)
	for _, nonce := range []string{wrong, "", "abc", nonce + "A", strings.Repeat("A", 32), nonce[:31]} {
		_, err = p.fresh(t, object{"nonce": nonce})
		requireCode(t, "unauthenticated", err)
		assert.NotEmpty(t, challenge(t, err).Get("DPoP-Nonce"))
	}
	f.clock.Add(time.Minute)
	_, err = p.fresh(t, object{"nonce": nonce})
	require.NoError(t, err, "the minute after")
	f.clock.Add(time.Minute)
	_, err = p.fresh(t, object{"nonce": nonce})
	requireCode(t, "unauthenticated", err)
	assert.NotEqual(t, nonce, challenge(t, err).Get("DPoP-Nonce"))
	_, err = accesstoken.NewNonces(secrets{sealed: true}, f.clock.Now).Current()
	require.ErrorIs(t, err, assert.AnError)
}
