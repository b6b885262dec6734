package accesstoken_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/accesstoken"
	"github.com/cryptoutil/cryptoutil/libs/federation"
)

// lose makes Identity go away, and has the service notice.
func (f *fixture) lose(t testing.TB) {
	t.Helper()
	f.identity.set(func(i *identity) { i.away = true })
	_, err := f.present(t, "some-opaque-token")
	requireCode(t, "dependency_unavailable", err)
	require.Eventually(t, func() bool { return !f.peer.Up() }, 10*time.Second, time.Millisecond)
}

func TestAway_RejectAllTakesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	token := f.token(t, f.person())
	_, err := f.present(t, token)
	require.NoError(t, err)
	f.lose(t)
	_, err = f.present(t, token)
	requireCode(t, "dependency_unavailable", err)
	f.identity.set(func(i *identity) { i.away = false })
	require.Eventually(t, f.peer.Up, 10*time.Second, time.Millisecond)
	_, err = f.present(t, token)
	require.NoError(t, err)
}

func TestAway_LocalValidationTakesTokensByTheKeysItHasButNoAdministrators(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *federation.IdentityConfig, _ *accesstoken.Deps) { c.Fallback = federation.FallbackLocal })
	admin := f.administrator()
	adminToken := f.token(t, admin)
	f.identity.says(active(admin))
	_, err := f.present(t, adminToken)
	require.NoError(t, err)
	f.lose(t)
	for range 2 {
		f.clock.Add(time.Hour) // the keys' time is over
		_, err = f.present(t, f.token(t, f.person()))
		require.NoError(t, err)
		for name, claims := range map[string]object{"admin": f.administrator(), "long": with(f.person(), object{"exp": f.clock.Now().Unix() + 3600})} {
			_, err = f.present(t, f.token(t, claims))
			requireCode(t, "dependency_unavailable", err, name)
		}
		_, err = f.present(t, adminToken)
		require.Error(t, err, "what the server said an hour ago does not count")
		_, err = f.present(t, f.token(t, with(f.person(), object{"aud": "x"})))
		requireCode(t, "unauthenticated", err, "all other rules hold")
	}
	f.clock.Add(25 * time.Hour)
	_, err = f.present(t, f.token(t, f.person()))
	requireCode(t, "dependency_unavailable", err, "not for ever")
}

func TestAway_WithItsKeysAloneMissingIsAwayToo(t *testing.T) {
	t.Parallel()
	for _, fallback := range []string{federation.FallbackReject, federation.FallbackLocal} {
		f := newFixture(t, func(c *federation.IdentityConfig, _ *accesstoken.Deps) { c.Fallback = fallback })
		token := f.token(t, with(f.person(), object{"iat": f.clock.Now().Unix()}))
		_, err := f.present(t, token)
		require.NoError(t, err)
		f.identity.set(func(i *identity) { i.keys["blue"] = nil })
		f.clock.Add(time.Minute)
		_, err = f.present(t, token)
		if fallback == federation.FallbackLocal {
			require.NoError(t, err)
			continue
		}
		requireCode(t, "dependency_unavailable", err)
	}
}

func TestAway_FromTheStartNobodyCanTell(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *federation.IdentityConfig, _ *accesstoken.Deps) { c.Fallback = federation.FallbackLocal })
	f.identity.set(func(i *identity) { i.away = true })
	_, err := f.present(t, f.token(t, f.person()))
	requireCode(t, "dependency_unavailable", err)
}
