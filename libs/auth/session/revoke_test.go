package session_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/session"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// eventually waits for what another replica learns through the change sequence.
func eventually(t *testing.T, condition func() bool, text string) {
	t.Helper()
	require.Eventually(t, condition, 10*time.Second, 5*time.Millisecond, text)
}

func TestRevoke_EndsASessionEverywhereWhateverItsFormat(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		for _, format := range []session.Format{session.Opaque, session.JWS, session.JWE} {
			one, two := f.manager(t, ofFormat(format)), f.manager(t, ofFormat(format))
			issued, other := f.begin(t, one, billing, session.ClientService), f.begin(t, one, billing, session.ClientService)
			for _, m := range []replica{one, two} {
				_, err := m.byBearer(t, issued.Token)
				require.NoError(t, err)
			}
			require.NoError(t, one.Revoke(t.Context(), "default", issued.Principal.SessionID, session.ReasonRevoked))
			_, err := one.byBearer(t, issued.Token)
			assert.Equal(t, "unauthenticated", code(err), "at once on the same replica")
			eventually(t, func() bool { _, err := two.byBearer(t, issued.Token); return code(err) == "unauthenticated" }, "on the other")
			_, err = two.byBearer(t, other.Token)
			require.NoError(t, err, "another session stays")
			assert.Equal(t, "not_found", code(one.Revoke(t.Context(), "default", issued.Principal.SessionID, session.ReasonRevoked)))
		}
	})
}

func TestRevoke_TouchesNobodyElses(t *testing.T) {
	t.Parallel()
	eachTenancy(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		issued := f.begin(t, m, alice, session.ClientBrowser)
		id := issued.Principal.SessionID
		assert.Equal(t, "not_found", code(m.Revoke(t.Context(), "acme", id, session.ReasonRevoked)), "from another tenant")
		assert.Equal(t, "not_found", code(m.RevokeOwn(t.Context(), &billing, id, session.ReasonRevoked)), "another principal's")
		_, err := m.byCookie(t, issued)
		require.NoError(t, err)
		require.NoError(t, m.RevokeOwn(t.Context(), &alice, id, session.ReasonLogout))
		_, err = m.byCookie(t, issued)
		assert.Equal(t, "session_required", code(err))
		assert.Equal(t, []string{"session.begin ", "session.end logout"}, f.journal.actions())
	})
}

func TestRevokeAll_SparesOneAndKeepsOldAuthenticationsOut(t *testing.T) {
	t.Parallel()
	eachTenancy(t, func(t *testing.T, f fixture) {
		m, other := f.manager(t, nil), f.manager(t, nil)
		before := alice
		before.AuthenticatedAt = f.clock.Now()
		kept := f.begin(t, m, alice, session.ClientBrowser)
		var ended []session.Issued
		for range 9 {
			ended = append(ended, f.begin(t, m, alice, session.ClientBrowser))
		}
		foreign := f.begin(t, m, billing, session.ClientService)
		for _, one := range ended {
			_, err := other.byCookie(t, one)
			require.NoError(t, err)
		}
		n, err := m.RevokeAll(t.Context(), "default", alice.Kind, alice.ID, kept.Principal.SessionID, session.ReasonPasswordChanged)
		require.NoError(t, err)
		assert.Equal(t, 9, n)
		for _, one := range ended {
			_, err = m.byCookie(t, one)
			assert.Equal(t, "session_required", code(err))
		}
		eventually(t, func() bool { _, err := other.byCookie(t, ended[0]); return code(err) == "session_required" }, "on the other replica")
		_, err = m.byCookie(t, kept)
		require.NoError(t, err)
		_, err = m.byBearer(t, foreign.Token)
		require.NoError(t, err)

		_, err = m.Create(t.Context(), session.Ask{Principal: &before, Client: session.ClientBrowser})
		assert.Equal(t, "unauthenticated", code(err), "a login that was under way with the old password")
		f.begin(t, m, alice, session.ClientBrowser)
	})
}

// Logins and the end of all sessions at the same time leave nothing from before, whatever their order.
func TestRevokeAll_RacesWithLogins(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, func(cfg *session.Config, _ *session.Deps) { cfg.Browser.MaxPerPrincipal = 1000 })
		who := alice
		who.AuthenticatedAt = f.clock.Now()
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 6 {
					_, err := m.Create(t.Context(), session.Ask{Principal: &who, Client: session.ClientBrowser})
					if code(err) == "unauthenticated" {
						return
					}
					assert.NoError(t, err)
				}
			})
		}
		wg.Go(func() {
			_, err := m.RevokeAll(t.Context(), "default", alice.Kind, alice.ID, "", session.ReasonPasswordChanged)
			assert.NoError(t, err)
		})
		wg.Wait()
		list, err := m.List(t.Context(), "default", session.Filter{}, "", 1000)
		require.NoError(t, err)
		assert.Empty(t, list)
	})
}

func TestCreate_TheLimitHoldsWhenManyBeginAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, func(cfg *session.Config, _ *session.Deps) { cfg.Service.MaxPerPrincipal = 3 })
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 3 {
					who := billing
					_, err := m.Create(t.Context(), session.Ask{Principal: &who, Client: session.ClientService})
					assert.NoError(t, err)
				}
			})
		}
		wg.Wait()
		list, err := m.List(t.Context(), "default", session.Filter{}, "", 1000)
		require.NoError(t, err)
		assert.Len(t, list, 3)
	})
}

func TestRevoke_TheEventNamesWhoDidIt(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		issued := f.begin(t, m, billing, session.ClientService)
		require.NoError(t, m.Revoke(server.WithPrincipal(t.Context(), &alice), "default", issued.Principal.SessionID, session.ReasonRevoked))
		f.journal.mu.Lock()
		defer f.journal.mu.Unlock()
		require.Len(t, f.journal.events, 2)
		assert.Equal(t, billing.ID, f.journal.events[0].By.ID)
		assert.Equal(t, alice.ID, f.journal.events[1].By.ID)
		assert.Equal(t, billing.ID, f.journal.events[1].Owner.ID)
	})
}
