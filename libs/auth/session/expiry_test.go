package session_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/session"
)

func TestFind_SessionsEnd(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		idle := f.begin(t, m, alice, session.ClientBrowser)
		_, err := m.byCookie(t, idle)
		require.NoError(t, err)
		f.clock.add(29 * time.Minute)
		_, err = m.byCookie(t, idle)
		require.NoError(t, err, "the last use counts")
		f.clock.add(29 * time.Minute)
		_, err = m.byCookie(t, idle)
		require.NoError(t, err)
		f.clock.add(30 * time.Minute)
		_, err = m.byCookie(t, idle)
		assert.Equal(t, "session_required", code(err), "idle")

		absolute := f.begin(t, m, alice, session.ClientBrowser)
		for range 35 { // 11 h 40
			f.clock.add(20 * time.Minute)
			_, err = m.byCookie(t, absolute)
			require.NoError(t, err)
		}
		f.clock.add(20*time.Minute - time.Second)
		_, err = m.byCookie(t, absolute)
		require.NoError(t, err)
		f.clock.add(2 * time.Second)
		_, err = m.byCookie(t, absolute)
		assert.Equal(t, "session_required", code(err), "used all the time, and over all the same")
	})
}

func TestFind_AUseOnOneReplicaIsKnownToTheOther(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		one, two := f.manager(t, nil), f.manager(t, nil)
		issued := f.begin(t, one, alice, session.ClientBrowser)
		_, err := two.byCookie(t, issued)
		require.NoError(t, err)
		f.clock.add(25 * time.Minute)
		_, err = one.byCookie(t, issued)
		require.NoError(t, err)
		require.NoError(t, one.Flush(t.Context()))
		f.clock.add(25 * time.Minute) // two has not seen it for 50 minutes
		_, err = two.byCookie(t, issued)
		require.NoError(t, err)
	})
}

func TestFlush_WritesManyUsesAndNoneOfAnEndedSession(t *testing.T) {
	t.Parallel()
	eachTenancy(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		var all []session.Issued
		for range 40 {
			all = append(all, f.begin(t, m, billing, session.ClientService))
		}
		f.clock.add(2 * time.Minute)
		for _, one := range all {
			_, err := m.byBearer(t, one.Token)
			require.NoError(t, err)
		}
		require.NoError(t, m.Revoke(t.Context(), "default", all[0].Principal.SessionID, session.ReasonRevoked))
		require.NoError(t, m.Flush(t.Context()))
		list, err := m.List(t.Context(), "default", session.Filter{}, "", 100)
		require.NoError(t, err)
		require.Len(t, list, 39)
		for _, one := range list {
			assert.WithinDuration(t, f.clock.Now(), one.LastUsedAt, time.Second)
		}
	})
}

func TestFind_EndsWithTheCredentialOfItsOwner(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		short := billing
		short.ExpiresAt = f.clock.Now().Add(10 * time.Minute)
		f.people.set(short)
		issued := f.begin(t, m, short, session.ClientService)
		assert.Equal(t, short.ExpiresAt, issued.Principal.ExpiresAt)
		f.clock.add(11 * time.Minute)
		_, err := m.byBearer(t, issued.Token)
		assert.Equal(t, "unauthenticated", code(err))
	})
}
