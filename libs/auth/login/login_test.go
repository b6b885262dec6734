package login_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/login"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

func TestLogin_LeadsInAndLogoutOut(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		b := s.visitor()
		first := b.get(login.PathAccount)
		assert.Equal(t, http.StatusSeeOther, first.StatusCode)
		assert.Equal(t, "/browser/login?return_to=%2Fbrowser%2Faccount", first.Header.Get("Location"))

		in := b.login()
		require.Equal(t, http.StatusSeeOther, in.StatusCode, in.body)
		assert.Equal(t, login.PathAccount, in.Header.Get("Location"))
		cookies := in.Header.Values("Set-Cookie")
		require.Len(t, cookies, 2)
		assert.Regexp(t, `^__Host-cu-kms-default=cu_st_default_\S+; Path=/; HttpOnly; Secure; SameSite=Lax$`, cookies[0])
		assert.Regexp(t, `^__Host-form-cu-kms-default=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax$`, cookies[1])
		assert.Equal(t, "no-store", in.Header.Get("Cache-Control"))

		account := b.get(login.PathAccount)
		require.Equal(t, http.StatusOK, account.StatusCode)
		for _, text := range []string{"Alice &lt;b&gt;Example&lt;/b&gt;", "kms:encrypt", "operator", "Firefox on Linux", "127.0.0.1", "This session"} {
			assert.Contains(t, account.body, text)
		}
		assert.NotContains(t, account.body, "<b>")
		again := b.get(login.PathLogin + "?return_to=%2Fbrowser%2Faccount%2Fpassword")
		assert.Equal(t, "/browser/account/password", again.Header.Get("Location"), "nobody logs in twice")

		token := b.session("default")
		out := b.submit(login.PathLogout, login.PathLogout)
		require.Equal(t, http.StatusSeeOther, out.StatusCode)
		assert.Equal(t, "/browser/login?notice=logged_out", out.Header.Get("Location"))
		assert.Equal(t, `"storage"`, out.Header.Get("Clear-Site-Data"))
		assert.Empty(t, b.session("default"))
		assert.Contains(t, b.get(out.Header.Get("Location")).body, "You are logged out.")
		thief := s.visitor()
		thief.setSession("default", token)
		assert.False(t, thief.loggedIn(), "the session is over, not only the cookie")
		assert.NotContains(t, s.log.String(), alicePassword)
		assert.NotContains(t, s.log.String(), token)
	})
}

func TestLogin_SaysNothingAboutWhoThereIs(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		var pages []string
		secrets := regexp.MustCompile(`name="form_token" value="[^"]+"`)
		for _, name := range []string{"alice", "aliceX"} {
			refused := s.visitor().login("login", name, "password", "wrong password")
			assert.Equal(t, http.StatusForbidden, refused.StatusCode)
			assert.Contains(t, refused.body, "The user name or the password is wrong.")
			assert.NotContains(t, refused.body, "wrong password")
			assert.Contains(t, refused.body, `value="`+name+`"`, "the name need not be typed again")
			pages = append(pages, strings.ReplaceAll(secrets.ReplaceAllString(refused.body, ""), name, "NAME"))
		}
		assert.Equal(t, pages[0], pages[1])
	})
}

func TestLogin_TheIdIsAlwaysNewAndTheOldSessionEnds(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		attacker := s.visitor()
		require.Equal(t, http.StatusSeeOther, attacker.login("login", "mallory", "password", "my own password").StatusCode)
		planted := attacker.session("default")

		victim := s.visitor()
		page := victim.get(login.PathLogin)
		form := url.Values{"form_token": {victim.token(page, login.PathLogin)}, "login": {"alice"}, "password": {alicePassword}}
		victim.setSession("default", planted) // fixation
		in := victim.post(login.PathLogin, form)
		require.Equal(t, http.StatusSeeOther, in.StatusCode, in.body)
		assert.NotEqual(t, planted, victim.session("default"))
		assert.Contains(t, victim.get(login.PathAccount).body, "Alice")
		assert.False(t, attacker.loggedIn())
	})
}

func TestTenants_HaveTheirOwnPagesAndSessions(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		b := s.visitor()
		const acme = "/t/acme/browser/login"
		refused := b.submit(acme, acme, "login", "alice", "password", alicePassword)
		assert.Equal(t, http.StatusForbidden, refused.StatusCode, "the default tenant's password")
		in := b.submit(acme, acme, "login", "alice", "password", "another password")
		require.Equal(t, http.StatusSeeOther, in.StatusCode)
		assert.Equal(t, "/t/acme/browser/account", in.Header.Get("Location"))
		assert.Empty(t, b.session("default"))
		assert.False(t, b.loggedIn(), "at the default tenant")
		require.Equal(t, http.StatusSeeOther, b.login().StatusCode, "both at once")

		page := b.get("/t/acme/browser/account")
		assert.Contains(t, page.body, "acme")
		for _, link := range regexp.MustCompile(`(?:href|action)="([^"]+)"`).FindAllStringSubmatch(page.body, -1) {
			assert.True(t, strings.HasPrefix(link[1], "/t/acme/") || strings.HasPrefix(link[1], "/browser/assets/"), link[1])
		}
		out := b.submit("/t/acme/browser/logout", "/t/acme/browser/logout")
		assert.Equal(t, "/t/acme/browser/login?notice=logged_out", out.Header.Get("Location"))
		assert.Empty(t, b.session("acme"))
		assert.True(t, b.loggedIn(), "the other tenant's session goes on")

		form := url.Values{"form_token": {b.token(b.get(acme), acme)}, "login": {"alice"}, "password": {alicePassword}}
		stranger := s.visitor()
		stranger.Jar = b.Jar
		assert.Equal(t, http.StatusForbidden, s.postTo(stranger, "/t/other/browser/login", form).StatusCode, "a token of another tenant")
	})
}

func (s *site) postTo(b *visitor, path string, form url.Values) answer { return b.post(path, form) }

// limitedError is what a limiter answers.
type limitedError struct{}

func (limitedError) Error() string { return "limited" }

func (limitedError) ErrorCode() string { return problem.RateLimited }

func (limitedError) RetryAfter() time.Duration { return 100 * time.Second }

func TestLogin_FailuresAreExplained(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		s.users.fail(limitedError{})
		limited := s.visitor().login()
		assert.Equal(t, http.StatusTooManyRequests, limited.StatusCode)
		assert.Equal(t, "100", limited.Header.Get("Retry-After"))
		assert.Contains(t, limited.body, "Too many attempts. Try again in 2 minutes.")
		s.users.fail(problem.New(problem.StateUnavailable, "database secret detail"))
		away := s.visitor().login()
		assert.Equal(t, http.StatusServiceUnavailable, away.StatusCode)
		assert.NotEmpty(t, away.Header.Get("Retry-After"))
		assert.Contains(t, away.body, "Not available right now")
		s.users.fail(assert.AnError)
		broken := s.visitor().login()
		assert.Equal(t, http.StatusInternalServerError, broken.StatusCode)
		for _, page := range []answer{away, broken} {
			assert.NotContains(t, page.body, "secret detail")
			assert.NotContains(t, page.body, assert.AnError.Error())
			assert.Contains(t, page.body, page.Header.Get("X-Request-Id"))
		}
	})
}

func TestLogin_TakesAnAPITokenOfTheTenant(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		b := s.visitor()
		refused := b.login("token", strings.Replace(apiToken, "_ci_", "_no_", 1))
		assert.Equal(t, http.StatusForbidden, refused.StatusCode)
		assert.Contains(t, refused.body, "The API token is not valid here.")
		alices := s.visitor()
		alices.login()
		assert.Equal(t, http.StatusForbidden, b.login("token", alices.session("default")).StatusCode, "a session is no token")
		const acme = "/t/acme/browser/login"
		assert.Equal(t, http.StatusForbidden, b.submit(acme, acme, "token", apiToken).StatusCode, "of another tenant")
		require.Equal(t, http.StatusSeeOther, b.login("token", apiToken).StatusCode)
		account := b.get(login.PathAccount)
		assert.Contains(t, account.body, "Build")
		assert.NotContains(t, account.body, "Change password")
		assert.Equal(t, http.StatusSeeOther, b.get("/browser/account/password").StatusCode)
		old := b.session("default")
		assert.Equal(t, http.StatusForbidden, b.submit(login.PathAuthenticate, login.PathAuthenticate, "password", alicePassword).StatusCode)
		require.Equal(t, http.StatusSeeOther, b.submit(login.PathAuthenticate, login.PathAuthenticate, "token", apiToken).StatusCode)
		assert.NotEqual(t, old, b.session("default"))
	})
}
