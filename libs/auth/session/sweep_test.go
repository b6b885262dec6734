package session_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/session"
	"github.com/cryptoutil/cryptoutil/libs/database"
)

func TestList_GoesPageByPageThroughWhatIsInForce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		var want []string
		for range 7 {
			want = append(want, f.begin(t, m, billing, session.ClientService).Principal.SessionID)
		}
		var got []string
		for after := ""; ; {
			page, err := m.List(t.Context(), "default", session.Filter{}, after, 3)
			require.NoError(t, err)
			if len(page) == 0 {
				break
			}
			for _, one := range page {
				got = append(got, one.ID)
			}
			after = got[len(got)-1]
		}
		assert.Equal(t, want, got)
		f.clock.add(2 * time.Hour)
		page, err := m.List(t.Context(), "default", session.Filter{}, "", 100)
		require.NoError(t, err)
		assert.Empty(t, page)
	})
}

func TestSweep_RemovesWhatHasExpiredAndNothingElse(t *testing.T) {
	t.Parallel()
	eachTenancy(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		all := database.WithTenant(t.Context(), database.AllTenants)
		_, err := f.db.Exec(all, `INSERT INTO sessions (tenant_id, id, client, format, realm, kind, principal_id, name, login, scopes, roles, methods, secret_hash,
			confirmation, address, user_agent, authenticated_at, created_at, last_used_at, idle_seconds, idle_expires_at, expires_at)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)
			SELECT 'tenant-' || (i % 5), 'old-' || i, 'browser', 'opaque', '', 'user', 'u', '', '', '[]', '[]', '[]', '', $1, '', '', 0, 0, 0, 60, 0, 0 FROM n`, []byte{})
		require.NoError(t, err)
		f.clock.add(25 * time.Hour)
		kept := f.begin(t, m, alice, session.ClientBrowser)
		idle := f.begin(t, m, bob, session.ClientBrowser)
		_ = idle
		require.NoError(t, m.Sweep(t.Context()))
		assert.Equal(t, 2, f.count(t, "sessions"))
		f.clock.add(29 * time.Minute)
		_, err = m.byCookie(t, kept)
		require.NoError(t, err)
		require.NoError(t, m.Flush(t.Context()))
		f.clock.add(5 * time.Minute)
		require.NoError(t, m.Sweep(t.Context()))
		assert.Equal(t, 1, f.count(t, "sessions"))
		assert.Equal(t, 2, f.count(t, "session_owners"))
		f.clock.add(25 * time.Hour)
		require.NoError(t, m.Sweep(t.Context()))
		assert.Zero(t, f.count(t, "sessions"))
		assert.Zero(t, f.count(t, "session_owners"))
	})
}

func (f fixture) count(t *testing.T, table string) (n int) {
	t.Helper()
	ctx := database.WithTenant(t.Context(), database.AllTenants)
	require.NoError(t, f.db.QueryRow(ctx, "SELECT count(*) FROM "+table).Scan(&n))
	return n
}
