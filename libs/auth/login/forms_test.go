package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/login"
	"github.com/cryptoutil/cryptoutil/libs/auth/session"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

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
