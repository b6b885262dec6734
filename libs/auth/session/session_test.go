package session_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/session"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

func TestCreate_EveryFormatFindsItsSession(t *testing.T) {
	t.Parallel()
	eachTenancy(t, func(t *testing.T, f fixture) {
		for _, format := range []session.Format{session.Opaque, session.JWS, session.JWE} {
			m := f.manager(t, ofFormat(format))
			issued := f.begin(t, m, alice, session.ClientBrowser)
			assert.Equal(t, format, issued.Format)

			p, err := m.byCookie(t, issued)
			require.NoError(t, err, format)
			assert.Equal(t, alice.ID, p.ID)
			assert.Equal(t, alice.Scopes, p.Scopes)
			assert.Equal(t, alice.Roles, p.Roles)
			assert.Equal(t, []string{"pwd"}, p.Methods)
			assert.Equal(t, issued.Principal.SessionID, p.SessionID)
			assert.WithinDuration(t, f.clock.Now(), p.AuthenticatedAt, time.Second)
			assert.WithinDuration(t, f.clock.Now().Add(12*time.Hour), p.ExpiresAt, time.Second)
			assert.False(t, p.Confirmed)

			program := f.begin(t, m, billing, session.ClientService)
			p, err = m.byBearer(t, program.Token)
			require.NoError(t, err, format)
			assert.Equal(t, billing.ID, p.ID)

			again := f.manager(t, ofFormat(format)) // another replica, or the same after a restart
			_, err = again.byBearer(t, program.Token)
			require.NoError(t, err, format)
		}
	})
}

func TestFind_ATypeOfClientDoesNotPassForTheOther(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		browser := f.begin(t, m, alice, session.ClientBrowser)
		_, err := m.byBearer(t, browser.Token)
		assert.Equal(t, "wrong_client_type", code(err))
		program := f.begin(t, m, billing, session.ClientService)
		_, err = m.byCookie(t, program)
		assert.Equal(t, "wrong_client_type", code(err))
	})
}

func TestFind_RightsAreThoseOfNowAndNeverMoreThanAtTheBeginning(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		issued := f.begin(t, m, alice, session.ClientBrowser)
		changed := alice
		changed.Scopes, changed.Roles = []string{"kms:read", "kms:destroy"}, []string{"auditor"}
		f.people.set(changed)
		p, err := m.byCookie(t, issued)
		require.NoError(t, err)
		assert.Equal(t, []string{"kms:read"}, p.Scopes, "taken away at once, added not")
		assert.Empty(t, p.Roles)

		p.AuthenticatedAt, p.Methods = f.clock.Now(), []string{"pwd"}
		fresh, err := m.Rotate(t.Context(), p, request(t, "/"))
		require.NoError(t, err)
		p, err = m.byCookie(t, fresh)
		require.NoError(t, err)
		assert.Equal(t, []string{"kms:read", "kms:destroy"}, p.Scopes, "added with a fresh authentication")
		assert.Equal(t, []string{"auditor"}, p.Roles)

		f.people.remove(alice)
		_, err = m.byCookie(t, fresh)
		assert.Equal(t, "session_required", code(err), "the owner is gone")
		f.people.set(alice)
		f.people.fail(errAway)
		_, err = m.byCookie(t, fresh)
		assert.Equal(t, "state_unavailable", code(err), "nobody can tell")
	})
}

type awayError struct{}

func (awayError) Error() string { return "away" }

func (awayError) ErrorCode() string { return "state_unavailable" }

var errAway = awayError{}

func TestCreate_ScopesAreNarrowedAndNeverWidened(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		who := alice
		issued, err := m.Create(t.Context(), session.Ask{Principal: &who, Client: session.ClientService, Scopes: []string{"kms:read"}})
		require.NoError(t, err)
		p, err := m.byBearer(t, issued.Token)
		require.NoError(t, err)
		assert.Equal(t, []string{"kms:read"}, p.Scopes)
		assert.Empty(t, p.Roles)
		none, err := m.Create(t.Context(), session.Ask{Principal: &who, Client: session.ClientService, Scopes: []string{}})
		require.NoError(t, err)
		p, err = m.byBearer(t, none.Token)
		require.NoError(t, err)
		assert.Empty(t, p.Scopes)
		_, err = m.Create(t.Context(), session.Ask{Principal: &who, Client: session.ClientService, Scopes: []string{"kms:read", "ca:admin"}})
		assert.Equal(t, "insufficient_scope", code(err))
	})
}

func TestCreate_TheSessionUnusedForLongestMakesRoom(t *testing.T) {
	t.Parallel()
	eachTenancy(t, func(t *testing.T, f fixture) {
		m := f.manager(t, func(cfg *session.Config, _ *session.Deps) { cfg.Browser.MaxPerPrincipal = 2 })
		first := f.begin(t, m, alice, session.ClientBrowser)
		second := f.begin(t, m, alice, session.ClientBrowser)
		program := f.begin(t, m, alice, session.ClientService)
		f.clock.add(2 * time.Minute)
		_, err := m.byCookie(t, first)
		require.NoError(t, err)
		require.NoError(t, m.Flush(t.Context()))
		third := f.begin(t, m, alice, session.ClientBrowser)
		_, err = m.byCookie(t, second)
		assert.Equal(t, "session_required", code(err))
		for _, kept := range []session.Issued{first, third} {
			_, err = m.byCookie(t, kept)
			require.NoError(t, err)
		}
		_, err = m.byBearer(t, program.Token)
		require.NoError(t, err, "another type of client has its own number")
	})
}

func TestCreate_ShowsItsOwnerWhereItBegan(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		who := alice
		_, err := m.Create(t.Context(), session.Ask{
			Principal: &who, Client: session.ClientBrowser, Request: request(t, "/"), Address: netip.MustParseAddr("::ffff:192.0.2.7"),
		})
		require.NoError(t, err)
		f.begin(t, m, billing, session.ClientService)
		list, err := m.List(t.Context(), "default", session.Filter{Kind: server.KindUser, PrincipalID: alice.ID}, "", 10)
		require.NoError(t, err)
		require.Len(t, list, 1)
		assert.Equal(t, "192.0.2.7", list[0].Address)
		assert.Equal(t, "Mozilla/5.0 (X11; Linux x86_64) Test", list[0].UserAgent)
		list, err = m.List(t.Context(), "acme", session.Filter{}, "", 10)
		require.NoError(t, err)
		assert.Empty(t, list, "another tenant's")
	})
}

func TestCreate_FailsWithItsEvent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		kept := f.begin(t, m, alice, session.ClientBrowser)
		f.journal.fail(errors.New("the journal is full"))
		who := alice
		_, err := m.Create(t.Context(), session.Ask{Principal: &who, Client: session.ClientBrowser})
		require.Error(t, err)
		require.Error(t, m.Revoke(t.Context(), "default", kept.Principal.SessionID, session.ReasonLogout))
		list, err := m.List(t.Context(), "default", session.Filter{}, "", 10)
		require.NoError(t, err)
		assert.Len(t, list, 1)
		_, err = m.byCookie(t, kept)
		require.NoError(t, err)
		assert.Equal(t, []string{"session.begin "}, f.journal.actions())
	})
}
