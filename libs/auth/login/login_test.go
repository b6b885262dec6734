package login_test

import (
	"crypto/sha512"
	"encoding/base64"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/login"
	"github.com/cryptoutil/cryptoutil/libs/auth/session"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
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

func TestForms_ComeFromOurPagesAndThisBrowserOnly(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		credentials := func(token string) url.Values {
			return url.Values{"form_token": {token}, "login": {"alice"}, "password": {alicePassword}}
		}
		other := s.visitor()
		foreign := other.token(other.get(login.PathLogin), login.PathLogin)
		b := s.visitor()
		own := b.token(b.get(login.PathLogin), login.PathLogin)
		for name, form := range map[string]url.Values{
			"no token":               {"login": {"alice"}, "password": {alicePassword}},
			"another browser's":      credentials(foreign),
			"changed":                credentials(own[:len(own)-2] + "AA"),
			"twice":                  {"form_token": {own, own}, "login": {"alice"}, "password": {alicePassword}},
			"in the address, not in": {"login": {"alice"}, "password": {alicePassword}},
		} {
			path := login.PathLogin
			if strings.HasPrefix(name, "in the address") {
				path += "?form_token=" + own
			}
			refused := b.post(path, form)
			assert.Equal(t, http.StatusForbidden, refused.StatusCode, name)
			assert.Contains(t, refused.body, "open for too long, or came from another page", name)
			assert.Empty(t, b.session("default"), name)
		}
		for name, change := range map[string]func(*http.Request){
			"from another site":   func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
			"from a sibling":      func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
			"from another origin": func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
		} {
			r := b.request(http.MethodPost, login.PathLogin, strings.NewReader(credentials(own).Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			change(r)
			refused := b.do(r)
			assert.Equal(t, http.StatusForbidden, refused.StatusCode, name)
			assert.Contains(t, refused.body, "csrf_failed", name)
		}
		without := s.visitor()
		refused := without.post(login.PathLogin, credentials(own))
		assert.Equal(t, http.StatusForbidden, refused.StatusCode)
		assert.Contains(t, refused.body, "Allow cookies")
		retried := credentials(without.token(refused, login.PathLogin))
		assert.Equal(t, http.StatusSeeOther, without.post(login.PathLogin, retried).StatusCode, "the page that says so can be used")

		assert.Equal(t, http.StatusSeeOther, b.post(login.PathLogin, credentials(own)).StatusCode, "and the genuine one is good")

		// A token is for one form of one session.
		account := b.get(login.PathAccount)
		for _, action := range []string{login.PathLogout, login.PathAuthenticate, "/browser/account/password", "/browser/account/sessions/end-others"} {
			refused := b.post(action, url.Values{"form_token": {b.token(account, "/browser/account/sessions/end")}, "password": {alicePassword}})
			assert.Equal(t, http.StatusForbidden, refused.StatusCode, action)
		}
		second := s.visitor()
		second.login()
		refused = second.post(login.PathLogout, url.Values{"form_token": {b.token(account, login.PathLogout)}})
		assert.Equal(t, http.StatusForbidden, refused.StatusCode, "of another session of the same user")
		assert.True(t, second.loggedIn())
	})
}

func TestForms_ExpireAndCanBeSentAgain(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		b := s.visitor()
		form := url.Values{"form_token": {b.token(b.get(login.PathLogin), login.PathLogin)}, "login": {"alice"}, "password": {alicePassword}}
		s.clock.add(4*time.Hour + time.Minute)
		refused := b.post(login.PathLogin, form)
		assert.Equal(t, http.StatusForbidden, refused.StatusCode)
		assert.Contains(t, refused.body, "open for too long")
		assert.Contains(t, refused.body, `value="alice"`)
		form.Set("form_token", b.token(refused, login.PathLogin))
		assert.Equal(t, http.StatusSeeOther, b.post(login.PathLogin, form).StatusCode)
	})
}

func TestForms_OneReplicaTakesWhatAnotherMade(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, []database.Set{database.PlatformMigrations(), session.Migrations()}, func(t *testing.T, db *database.DB) {
		people, now := newUsers(), &clock{}
		one, two := start(t, db, people, now, "/browser/console"), start(t, db, people, now, "/browser/console")
		b := one.visitor()
		form := url.Values{"form_token": {b.token(b.get(login.PathLogin), login.PathLogin)}, "login": {"alice"}, "password": {alicePassword}}
		b.site = two // cookies ignore ports
		in := b.post(login.PathLogin, form)
		require.Equal(t, http.StatusSeeOther, in.StatusCode, in.body)
		assert.Equal(t, "/browser/console", in.Header.Get("Location"))
		b.site = one
		assert.True(t, b.loggedIn())
	})
}

func TestReturnTo_StaysOnThisOrigin(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		for target, want := range map[string]string{
			"/browser/account/password":      "/browser/account/password",
			"/browser/console?a=b&c=%2F%2Fx": "/browser/console?a=b&c=%2F%2Fx",
			"/t/acme/browser/account":        "/t/acme/browser/account",
			"":                               login.PathAccount,
			"browser/account":                login.PathAccount,
			"https://evil.example/":          login.PathAccount,
			"HTTPS:evil.example":             login.PathAccount,
			"//evil.example/":                login.PathAccount,
			"///evil.example/":               login.PathAccount,
			`/\evil.example/`:                login.PathAccount,
			`\\evil.example/`:                login.PathAccount,
			"/\t/evil.example/":              login.PathAccount,
			"/\n/evil.example/":              login.PathAccount,
			"/%0d%0aLocation:%20x":           login.PathAccount,
			"/.//evil.example/":              login.PathAccount,
			"/a/..//evil.example/":           login.PathAccount,
			"/%2e%2e//evil.example":          login.PathAccount,
			"/%2F/evil.example/":             login.PathAccount,
			"/%5Cevil.example/":              login.PathAccount,
			"/x#//evil.example":              login.PathAccount,
			"/x y":                           login.PathAccount,
			"/\u2028/evil.example":           login.PathAccount,
			"javascript:alert(1)":            login.PathAccount,
			"data:text/html,x":               login.PathAccount,
			" /browser":                      login.PathAccount,
			"/" + strings.Repeat("a", 2048):  login.PathAccount,
			"/browser/logout":                login.PathAccount,
			"/t/acme/browser/login?x":        login.PathAccount,
			"http:///browser":                login.PathAccount,
			"/@evil.example":                 "/@evil.example",
			"/;//evil.example":               login.PathAccount,
		} {
			b := s.visitor()
			page := b.get(login.PathLogin + "?" + url.Values{"return_to": {target}}.Encode())
			in := b.post(login.PathLogin, url.Values{
				"form_token": {b.token(page, login.PathLogin)}, "login": {"alice"}, "password": {alicePassword}, "return_to": {target},
			})
			require.Equal(t, http.StatusSeeOther, in.StatusCode, target)
			assert.Equal(t, []string{want}, in.Header.Values("Location"), "%q", target)
			logged := b.get(login.PathLogin + "?" + url.Values{"return_to": {target}}.Encode())
			assert.Equal(t, []string{want}, logged.Header.Values("Location"), "%q", target)
		}
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

// limitedError is what a limiter answers.
type limitedError struct{}

func (limitedError) Error() string             { return "limited" }
func (limitedError) ErrorCode() string         { return problem.RateLimited }
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

func TestPages_SendWhatKeepsThemSafe(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		b := s.visitor()
		b.login()
		for _, page := range []answer{
			s.visitor().get(login.PathLogin), s.visitor().login("login", "x", "password", "y"), b.get(login.PathAccount), b.get(login.PathLogout),
			b.get(login.PathAuthenticate), b.get("/browser/account/password"),
		} {
			h := page.Header
			assert.Equal(t, "text/html; charset=utf-8", h.Get("Content-Type"))
			assert.Equal(t, "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'", h.Get("Content-Security-Policy"))
			assert.Equal(t, "DENY", h.Get("X-Frame-Options"))
			assert.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
			assert.Equal(t, "no-store", h.Get("Cache-Control"))
			assert.Equal(t, "same-origin", h.Get("Referrer-Policy"))
			assert.Equal(t, "same-origin", h.Get("Cross-Origin-Opener-Policy"))
			assert.Contains(t, h.Get("Strict-Transport-Security"), "max-age=")
			assert.Equal(t, []string{"Cookie"}, h.Values("Vary"))
			assert.NotContains(t, page.body, "<script")
			assert.NotContains(t, page.body, "style=")
			assert.NotRegexp(t, `\son[a-z]+=`, page.body)
			assert.Empty(t, h.Get("Access-Control-Allow-Origin"))
		}
	})
}

func TestPages_StyleIsWhatThePageNames(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		b := s.visitor()
		link := regexp.MustCompile(`href="(/browser/assets/[0-9a-f]+\.css)" integrity="(sha384-[^"]+)"`).FindStringSubmatch(b.get(login.PathLogin).body)
		require.NotNil(t, link)
		css := b.get(link[1])
		require.Equal(t, http.StatusOK, css.StatusCode)
		assert.Equal(t, "text/css; charset=utf-8", css.Header.Get("Content-Type"))
		assert.Equal(t, "public, max-age=31536000, immutable", css.Header.Get("Cache-Control"))
		sum := sha512.Sum384([]byte(css.body))
		assert.Equal(t, "sha384-"+base64.StdEncoding.EncodeToString(sum[:]), html.UnescapeString(link[2]))
		assert.NotContains(t, css.body, "url(")
		assert.Empty(t, css.Header.Values("Set-Cookie"))
	})
}

func TestPages_ParametersShowNobodysText(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		b := s.visitor()
		page := b.get(login.PathLogin + `?notice=<b>owned</b>&login=owned&return_to=%22%3E%3Cb%3Eowned&fault=owned`)
		assert.NotContains(t, page.body, "<b>")
		assert.Equal(t, 1+strings.Count(page.body, `name="token"`), strings.Count(page.body, "owned"), "in the field return_to of each form alone")
		refused := b.login("login", `"><b>owned`, "password", "x")
		assert.NotContains(t, refused.body, "<b>")
		large := b.login("login", strings.Repeat("x", 1<<20), "password", "x")
		assert.GreaterOrEqual(t, large.StatusCode, 400)
		assert.Less(t, large.StatusCode, 500)
	})
}
