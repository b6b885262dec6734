package session_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/session"
	"github.com/cryptoutil/cryptoutil/libs/database"
)

func TestSession_DoesNotOutliveTheCredentialThatItBeganWith(t *testing.T) {
	t.Parallel()
	eachTenancy(t, func(t *testing.T, f fixture) {
		for _, format := range []session.Format{session.Opaque, session.JWS, session.JWE} {
			m, other := f.manager(t, ofFormat(format)), f.manager(t, ofFormat(format))
			who := billing
			who.Credential = "token:first"
			f.people.set(who)
			issued := f.begin(t, m, who, session.ClientService)
			for _, one := range []replica{m, other} {
				p, err := one.byBearer(t, issued.Token)
				require.NoError(t, err)
				assert.Equal(t, "token:first", p.Credential)
			}
			who.Credential = "token:second"
			f.people.set(who)
			for _, one := range []replica{m, other} {
				_, err := one.byBearer(t, issued.Token)
				assert.Equal(t, "unauthenticated", code(err))
			}
			_, err := m.byBearer(t, f.begin(t, m, who, session.ClientService).Token)
			require.NoError(t, err)
			_, err = m.byBearer(t, f.begin(t, m, billing, session.ClientService).Token)
			require.NoError(t, err, "one of which nobody knows what it began with")
		}
	})
}

func TestRotate_TheSessionIsBoundToTheFreshCredential(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		who := alice
		who.Credential = "pwd:first"
		f.people.set(who)
		p, err := m.byCookie(t, f.begin(t, m, who, session.ClientBrowser))
		require.NoError(t, err)
		p.AuthenticatedAt = f.clock.Now()
		who.Credential = "pwd:second"
		f.people.set(who)
		_, err = m.Rotate(t.Context(), p, nil)
		assert.Equal(t, "unauthenticated", code(err), "by the old one")
		p.Credential = "pwd:second"
		fresh, err := m.Rotate(t.Context(), p, nil)
		require.NoError(t, err)
		now, err := m.byCookie(t, fresh)
		require.NoError(t, err)
		assert.Equal(t, "pwd:second", now.Credential)
	})
}

// A replica of the version before writes sessions without it.
func TestSession_OfTheVersionBeforeGoesOn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		who := billing
		who.Credential = "token:first"
		f.people.set(who)
		issued := f.begin(t, m, who, session.ClientService)
		_, err := f.db.Exec(database.WithTenant(t.Context(), "default"), "UPDATE sessions SET credential = '' WHERE tenant_id = 'default'")
		require.NoError(t, err)
		_, err = f.manager(t, nil).byBearer(t, issued.Token)
		require.NoError(t, err)
	})
}
