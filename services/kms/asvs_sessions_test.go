package kms_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/kms"
)

// people is a service with an administrator and a user of the default tenant, who is one as well.
func people(t testing.TB, change func(cfg *kms.Config)) (admin *service, user string) {
	t.Helper()
	cfg, files := prepare(t, database.EngineSQLite)
	certificate := administer(t, &cfg)
	if change != nil {
		change(&cfg)
	}
	admin = run(t, cfg, files).as(t, certificate)
	user = admin.ask(t, http.MethodPost, "users", map[string]any{"login": "ada", "password": estatePassword}).done(t, http.StatusCreated).member(t, "id")
	admin.ask(t, http.MethodPost, "role-bindings", map[string]any{"role": "admin", "subject_kind": "user", "subject_id": user}).done(t, http.StatusCreated)
	return admin, user
}

const (
	self          = "/browser/api/v1/self"
	sessionCookie = "__Host-cu-kms-default"
)

// value is what a cookie of the browser holds.
func (b *browser) value(t testing.TB, name string) string {
	t.Helper()
	for _, cookie := range b.cookies(t) {
		if cookie.Name == name {
			return cookie.Value
		}
	}
	return ""
}

// holds tells whether a session's cookie is good for anything.
func (s *service) holds(t testing.TB, cookie string) bool {
	t.Helper()
	return s.ask(t, http.MethodGet, self, nil, "Cookie", sessionCookie+"="+cookie).status == http.StatusOK
}

// ASVS 7.2.4: an id that was planted before the login is never the session's, and each authentication gives another.
func TestASVS_7_2_4_NoSessionIsFixed(t *testing.T) {
	t.Parallel()
	s, _ := people(t, nil)
	own := logIn(t, s, "default", "ada")
	attackers := own.value(t, sessionCookie)
	require.NotEmpty(t, attackers)
	for what, planted := range map[string]string{"the attacker's own": attackers, "an invented one": "cu_st_default_x_y", "an empty one": ""} {
		victim := newBrowser(t, s)
		base, err := url.Parse(s.URL())
		require.NoError(t, err)
		const path = "/browser/login"
		if what != "the attacker's own" { // with a session in force the login is over before it begins
			victim.http.Jar.SetCookies(base, []*http.Cookie{{Name: sessionCookie, Value: planted, Path: "/", Secure: true}})
		}
		form := url.Values{"form_token": {victim.formToken(t, path)}, "login": {"ada"}, "password": {estatePassword}}
		victim.http.Jar.SetCookies(base, []*http.Cookie{{Name: sessionCookie, Value: planted, Path: "/", Secure: true}})
		got := victim.post(t, path, form)
		require.Equal(t, http.StatusSeeOther, got.status, "%s: %s", what, got.body)
		assert.NotEqual(t, planted, victim.value(t, sessionCookie), what)
		assert.True(t, s.holds(t, victim.value(t, sessionCookie)), what)
		if planted != "" {
			assert.False(t, s.holds(t, planted), "%s: what was planted has ended", what)
		}
	}
}

// ASVS 7.4.1, 7.4.2, 7.4.3 and 7.4.5: sessions end with logout, with the password, with the account, and when an administrator says so; what a
// thief has copied is worth nothing then.
func TestASVS_7_4_SessionsEndForThievesToo(t *testing.T) {
	t.Parallel()
	s, user := people(t, nil)
	patch := func(body string) {
		tag := s.ask(t, http.MethodGet, "users/"+user, nil).header.Get("ETag")
		s.ask(t, http.MethodPatch, "users/"+user, body, "If-Match", tag, "Content-Type", "application/merge-patch+json").done(t, http.StatusOK)
	}
	for _, end := range []struct {
		what string
		do   func(b *browser)
	}{
		{"logout", func(b *browser) {
			got := b.post(t, "/browser/logout", url.Values{"form_token": {b.formToken(t, "/browser/logout")}})
			assert.Equal(t, http.StatusSeeOther, got.status)
			assert.NotEmpty(t, got.header.Get("Clear-Site-Data"), "ASVS 14.3.1")
		}},
		{"an administrator revokes it", func(*browser) {
			s.ask(t, http.MethodPost, "users/"+user+"/revoke-sessions", nil).done(t, http.StatusOK)
		}},
		{"another password", func(*browser) {
			s.ask(t, http.MethodPost, "users/"+user+"/set-password", map[string]any{"password": estatePassword}).done(t, http.StatusNoContent)
		}},
		{"the account is disabled", func(*browser) { patch(`{"disabled":true}`) }},
	} {
		b := logIn(t, s, "default", "ada")
		stolen := b.value(t, sessionCookie)
		require.True(t, s.holds(t, stolen))
		end.do(b)
		assert.False(t, s.holds(t, stolen), end.what)
		if end.what == "the account is disabled" {
			patch(`{"disabled":false}`)
			assert.False(t, s.holds(t, stolen), "it does not come back with the account")
		}
	}
}

// ASVS 7.5.3: a session that was authenticated too long ago does nothing sensitive, until its owner has said the password again; then it has
// another id. Somebody else's password does not help.
func TestASVS_7_5_3_SensitiveOperationsWantAFreshLogin(t *testing.T) {
	t.Parallel()
	const age = 3 * time.Second
	s, _ := people(t, func(cfg *kms.Config) { cfg.StepUp.Person = age })
	s.ask(t, http.MethodPost, "users", map[string]any{"login": "eve", "password": estatePassword + "!"}).done(t, http.StatusCreated)
	b := logIn(t, s, "default", "ada")
	sensitive := func() answer {
		return b.send(t, s.request(t, "", http.MethodPost, "/browser/api/v1/api-tokens", map[string]any{"name": "t", "scopes": []string{"kms:read"}}))
	}
	require.Eventually(t, func() bool { return sensitive().status == http.StatusUnauthorized }, 30*time.Second, 100*time.Millisecond)
	refused := sensitive()
	refused.refused(t, http.StatusUnauthorized, "step_up_required", "too old")
	assert.Contains(t, refused.header.Get("WWW-Authenticate"), "insufficient_user_authentication")
	assert.Equal(t, http.StatusOK, b.get(t, self).status, "what is not sensitive goes on")
	old := b.value(t, sessionCookie)
	const path = "/browser/reauthenticate"
	for _, wrong := range []string{"", estatePassword + "!", strings.ToUpper(estatePassword)} {
		assert.Equal(t, http.StatusForbidden, b.post(t, path, url.Values{"form_token": {b.formToken(t, path)}, "password": {wrong}, "login": {"eve"}}).status)
	}
	assert.Equal(t, http.StatusUnauthorized, sensitive().status)
	var token answer
	for range 5 { // on a busy machine it is too long ago again
		got := b.post(t, path, url.Values{"form_token": {b.formToken(t, path)}, "password": {estatePassword}, "return_to": {"https://evil.invalid/"}})
		require.Equal(t, http.StatusSeeOther, got.status, "%s", got.body)
		assert.True(t, strings.HasPrefix(got.header.Get("Location"), "/browser/"), "ASVS 3.7.2")
		if token = sensitive(); token.status == http.StatusCreated {
			break
		}
	}
	token.done(t, http.StatusCreated)
	assert.False(t, s.holds(t, old), "the old id has ended")
	// A token of that user never counts as fresh: nobody knows who holds it.
	s.call(t, token.member(t, "token"), http.MethodPost, "api-tokens", map[string]any{"name": "t", "scopes": []string{}}).
		refused(t, http.StatusUnauthorized, "step_up_required", "a bearer token")
}

// ASVS 6.3.8 and 6.3.1: who guesses learns nothing about who there is, and not for long.
func TestASVS_6_3_GuessingTeachesNothing(t *testing.T) {
	t.Parallel()
	s, _ := people(t, nil)
	b := newBrowser(t, s)
	const path = "/browser/login"
	changing := regexp.MustCompile(`value="[^"]*"`)
	seen, limited := map[string]bool{}, 0
	for range 14 {
		for _, login := range []string{"ada", "nobody"} {
			got := b.post(t, path, url.Values{"form_token": {b.formToken(t, path)}, "login": {login}, "password": {"a password that is wrong"}})
			if got.status == http.StatusTooManyRequests {
				limited++
				continue
			}
			require.Equal(t, http.StatusForbidden, got.status)
			seen[changing.ReplaceAllString(string(got.body), "")] = true
		}
	}
	assert.Len(t, seen, 1, "the same page for a user and for nobody")
	assert.Equal(t, 8, limited, "ten guesses each, for a user and for nobody alike")
	got := b.post(t, path, url.Values{"form_token": {b.formToken(t, path)}, "login": {"ada"}, "password": {estatePassword}})
	assert.Equal(t, http.StatusTooManyRequests, got.status, "the right password is not told from a wrong one")
	assert.NotEmpty(t, got.header.Get("Retry-After"))
}
