package session_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/session"
)

func TestRotate_TheOldIdEndsAndTheEndStays(t *testing.T) {
	t.Parallel()
	eachTenancy(t, func(t *testing.T, f fixture) {
		m, other := f.manager(t, nil), f.manager(t, nil)
		old := f.begin(t, m, alice, session.ClientBrowser)
		_, err := other.byCookie(t, old)
		require.NoError(t, err)
		f.clock.add(10 * time.Minute)
		p, err := m.byCookie(t, old)
		require.NoError(t, err)
		p.AuthenticatedAt, p.Methods = f.clock.Now(), []string{"pwd", "otp"}
		fresh, err := m.Rotate(t.Context(), p, request(t, "/"))
		require.NoError(t, err)
		assert.NotEqual(t, old.Principal.SessionID, fresh.Principal.SessionID)
		assert.Equal(t, old.Principal.ExpiresAt, fresh.Principal.ExpiresAt)
		_, err = m.byCookie(t, old)
		assert.Equal(t, "session_required", code(err))
		eventually(t, func() bool { _, err := other.byCookie(t, old); return code(err) == "session_required" }, "on the other replica")
		now, err := other.byCookie(t, fresh)
		require.NoError(t, err)
		assert.Equal(t, p.AuthenticatedAt, now.AuthenticatedAt)
		assert.Equal(t, []string{"pwd", "otp"}, now.Methods)
		_, err = m.Rotate(t.Context(), p, request(t, "/"))
		assert.Equal(t, "session_required", code(err), "the old one cannot be rotated again")
	})
}

func TestRotate_OfTwoAtOnceOneSucceeds(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		p, err := m.byCookie(t, f.begin(t, m, alice, session.ClientBrowser))
		require.NoError(t, err)
		p.AuthenticatedAt = f.clock.Now()
		results := make([]string, 6)
		var wg sync.WaitGroup
		for i := range results {
			wg.Go(func() {
				_, err := m.Rotate(t.Context(), p, nil)
				results[i] = code(err)
			})
		}
		wg.Wait()
		assert.Equal(t, []string{"", "session_required", "session_required", "session_required", "session_required", "session_required"}, sorted(results))
	})
}

// What was asked for is what there is, after a fresh authentication too.
func TestRotate_ANarrowedSessionStaysNarrow(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		who := alice
		who.AuthenticatedAt = f.clock.Now()
		begun, err := m.Create(t.Context(), session.Ask{Principal: &who, Client: session.ClientBrowser, Request: request(t, "/"), Scopes: []string{"kms:read"}})
		require.NoError(t, err)
		p, err := m.byCookie(t, begun)
		require.NoError(t, err)
		fresh, err := m.Rotate(t.Context(), p, request(t, "/"))
		require.NoError(t, err)
		for _, got := range []session.Issued{begun, fresh} {
			assert.Equal(t, []string{"kms:read"}, got.Principal.Scopes)
			assert.True(t, got.Principal.Narrowed)
			assert.Empty(t, got.Principal.Roles)
		}
		now, err := f.manager(t, nil).byCookie(t, fresh)
		require.NoError(t, err)
		assert.True(t, now.Narrowed)
		assert.Equal(t, []string{"kms:read"}, now.Scopes)
	})
}
