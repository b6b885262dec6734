package login_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/login"
)

func TestAuthenticate_GivesTheSessionANewIdAndTime(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		b := s.visitor()
		b.login()
		old := b.session("default")
		s.clock.add(20 * time.Minute)
		refused := b.submit(login.PathAuthenticate, login.PathAuthenticate, "password", "wrong")
		assert.Equal(t, http.StatusForbidden, refused.StatusCode)
		assert.Contains(t, refused.body, "The password is wrong.")
		assert.Equal(t, old, b.session("default"))
		mallorys := b.submit(login.PathAuthenticate, login.PathAuthenticate, "password", "my own password", "login", "mallory", "username", "mallory")
		assert.Equal(t, http.StatusForbidden, mallorys.StatusCode, "somebody else's")

		page := b.get(login.PathAuthenticate + "?return_to=%2Fbrowser%2Fkeys%2F7")
		assert.Contains(t, page.body, `value="/browser/keys/7"`)
		in := b.submit(login.PathAuthenticate, login.PathAuthenticate, "password", alicePassword, "return_to", "/browser/keys/7")
		require.Equal(t, http.StatusSeeOther, in.StatusCode)
		assert.Equal(t, "/browser/keys/7", in.Header.Get("Location"))
		assert.NotEqual(t, old, b.session("default"))
		assert.True(t, b.loggedIn())
		thief := s.visitor()
		thief.setSession("default", old)
		assert.False(t, thief.loggedIn())
	})
}

func TestPassword_ChangeEndsAllOtherSessions(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		b, elsewhere, mallory := s.visitor(), s.visitor(), s.visitor()
		b.login()
		elsewhere.login()
		mallory.login("login", "mallory", "password", "my own password")
		old := b.session("default")
		const path = "/browser/account/password"
		for _, c := range [][4]string{
			{"wrong", "a new long password", "a new long password", "The current password is wrong."},
			{alicePassword, "a new long password", "a new long passwort", "The new password and its repetition differ."},
			{alicePassword, "short", "short", "A password has at least 15 characters."},
		} {
			refused := b.submit(path, path, "password", c[0], "new_password", c[1], "repeated_password", c[2])
			assert.Contains(t, refused.body, c[3])
			assert.GreaterOrEqual(t, refused.StatusCode, 400)
			assert.NotContains(t, refused.body, c[1])
		}
		assert.True(t, elsewhere.loggedIn())
		done := b.submit(path, path, "password", alicePassword, "new_password", "a new long password", "repeated_password", "a new long password")
		require.Equal(t, http.StatusSeeOther, done.StatusCode, done.body)
		assert.Contains(t, b.get(done.Header.Get("Location")).body, "The password is changed.")
		assert.NotEqual(t, old, b.session("default"))
		assert.False(t, elsewhere.loggedIn())
		assert.True(t, mallory.loggedIn())
		assert.Equal(t, http.StatusForbidden, s.visitor().login().StatusCode, "the old password")
		assert.Equal(t, http.StatusSeeOther, s.visitor().login("login", "alice", "password", "a new long password").StatusCode)
	})
}

func TestAccount_EndsOnesOwnSessionsAndNobodyElses(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		b, elsewhere, third, mallory := s.visitor(), s.visitor(), s.visitor(), s.visitor()
		for _, one := range []*visitor{b, elsewhere, third} {
			one.login()
		}
		mallory.login("login", "mallory", "password", "my own password")
		idOf := func(one *visitor) string { return strings.Split(one.session("default"), "_")[3] }
		const end, others = "/browser/account/sessions/end", "/browser/account/sessions/end-others"

		b.submit(login.PathAccount, end, "session", idOf(mallory))
		assert.True(t, mallory.loggedIn())
		ended := b.submit(login.PathAccount, end, "session", idOf(elsewhere))
		assert.Equal(t, "/browser/account?notice=session_ended", ended.Header.Get("Location"))
		assert.False(t, elsewhere.loggedIn())
		assert.True(t, third.loggedIn())
		assert.Equal(t, "/browser/account?notice=sessions_ended", b.submit(login.PathAccount, others).Header.Get("Location"))
		assert.False(t, third.loggedIn())
		assert.True(t, b.loggedIn())
		assert.Equal(t, "/browser/login?notice=logged_out", b.submit(login.PathAccount, end, "session", idOf(b)).Header.Get("Location"))
		assert.Empty(t, b.session("default"))
	})
}
