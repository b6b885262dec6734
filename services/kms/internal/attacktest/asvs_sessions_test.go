package attacktest_test

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
	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// people is a service with an administrator and a user of the default tenant, who is one as well.
func people(t testing.TB, change func(cfg *kms.Config)) (admin *kmstest.Service, user string) {
	t.Helper()
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	certificate := kmstest.Administer(t, &cfg)
	if change != nil {
		change(&cfg)
	}
	admin = kmstest.Run(t, cfg, files).As(t, certificate)
	user = admin.Ask(t, http.MethodPost, "users", map[string]any{"login": "ada", "password": kmstest.EstatePassword}).Done(t, http.StatusCreated).Member(t, "id")
	admin.Ask(t, http.MethodPost, "role-bindings", map[string]any{"role": "admin", "subject_kind": "user", "subject_id": user}).Done(t, http.StatusCreated)
	return admin, user
}

// ASVS 7.2.4: an id that was planted before the login is never the session's, and each authentication gives another.
func TestASVS_7_2_4_NoSessionIsFixed(t *testing.T) {
	t.Parallel()
	s, _ := people(t, nil)
	own := kmstest.LogIn(t, s, "default", "ada")
	attackers := own.Value(t, kmstest.SessionCookie)
	require.NotEmpty(t, attackers)
	for what, planted := range map[string]string{"the attacker's own": attackers, "an invented one": "cu_st_default_x_y", "an empty one": ""} {
		victim := kmstest.NewBrowser(t, s)
		base, err := url.Parse(s.URL())
		require.NoError(t, err)
		const path = "/browser/login"
		if what != "the attacker's own" { // with a session in force the login is over before it begins
			victim.HTTP.Jar.SetCookies(base, []*http.Cookie{{Name: kmstest.SessionCookie, Value: planted, Path: "/", Secure: true}})
		}
		form := url.Values{"form_token": {victim.FormToken(t, path)}, "login": {"ada"}, "password": {kmstest.EstatePassword}}
		victim.HTTP.Jar.SetCookies(base, []*http.Cookie{{Name: kmstest.SessionCookie, Value: planted, Path: "/", Secure: true}})
		got := victim.Post(t, path, form)
		require.Equal(t, http.StatusSeeOther, got.Status, "%s: %s", what, got.Body)
		assert.NotEqual(t, planted, victim.Value(t, kmstest.SessionCookie), what)
		assert.True(t, s.Holds(t, victim.Value(t, kmstest.SessionCookie)), what)
		if planted != "" {
			assert.False(t, s.Holds(t, planted), "%s: what was planted has ended", what)
		}
	}
}

// ASVS 7.4.1, 7.4.2, 7.4.3 and 7.4.5: sessions end with logout, with the password, with the account, and when an administrator says so; what a
// thief has copied is worth nothing then.
func TestASVS_7_4_SessionsEndForThievesToo(t *testing.T) {
	t.Parallel()
	s, user := people(t, nil)
	patch := func(body string) {
		tag := s.Ask(t, http.MethodGet, "users/"+user, nil).Header.Get("ETag")
		s.Ask(t, http.MethodPatch, "users/"+user, body, "If-Match", tag, "Content-Type", "application/merge-patch+json").Done(t, http.StatusOK)
	}
	for _, end := range []struct {
		what string
		do   func(b *kmstest.Browser)
	}{
		{"logout", func(b *kmstest.Browser) {
			got := b.Post(t, "/browser/logout", url.Values{"form_token": {b.FormToken(t, "/browser/logout")}})
			assert.Equal(t, http.StatusSeeOther, got.Status)
			assert.NotEmpty(t, got.Header.Get("Clear-Site-Data"), "ASVS 14.3.1")
		}},
		{"an administrator revokes it", func(*kmstest.Browser) {
			s.Ask(t, http.MethodPost, "users/"+user+"/revoke-sessions", nil).Done(t, http.StatusOK)
		}},
		{"another password", func(*kmstest.Browser) {
			s.Ask(t, http.MethodPost, "users/"+user+"/set-password", map[string]any{"password": kmstest.EstatePassword}).Done(t, http.StatusNoContent)
		}},
		{"the account is disabled", func(*kmstest.Browser) { patch(`{"disabled":true}`) }},
	} {
		b := kmstest.LogIn(t, s, "default", "ada")
		stolen := b.Value(t, kmstest.SessionCookie)
		require.True(t, s.Holds(t, stolen))
		end.do(b)
		assert.False(t, s.Holds(t, stolen), end.what)
		if end.what == "the account is disabled" {
			patch(`{"disabled":false}`)
			assert.False(t, s.Holds(t, stolen), "it does not come back with the account")
		}
	}
}

// ASVS 7.5.3: a session that was authenticated too long ago does nothing sensitive, until its owner has said the password again; then it has
// another id. Somebody else's password does not help.
func TestASVS_7_5_3_SensitiveOperationsWantAFreshLogin(t *testing.T) {
	t.Parallel()
	const age = 3 * time.Second
	s, _ := people(t, func(cfg *kms.Config) { cfg.StepUp.Person = age })
	s.Ask(t, http.MethodPost, "users", map[string]any{"login": "eve", "password": kmstest.EstatePassword + "!"}).Done(t, http.StatusCreated)
	b := kmstest.LogIn(t, s, "default", "ada")
	sensitive := func() kmstest.Answer {
		return b.Send(t, s.Request(t, "", http.MethodPost, "/browser/api/v1/api-tokens", map[string]any{"name": "t", "scopes": []string{"kms:read"}}))
	}
	require.Eventually(t, func() bool { return sensitive().Status == http.StatusUnauthorized }, 30*time.Second, 100*time.Millisecond)
	refused := sensitive()
	refused.Refused(t, http.StatusUnauthorized, "step_up_required", "too old")
	assert.Contains(t, refused.Header.Get("WWW-Authenticate"), "insufficient_user_authentication")
	assert.Equal(t, http.StatusOK, b.Get(t, kmstest.Self).Status, "what is not sensitive goes on")
	old := b.Value(t, kmstest.SessionCookie)
	const path = "/browser/reauthenticate"
	for _, wrong := range []string{"", kmstest.EstatePassword + "!", strings.ToUpper(kmstest.EstatePassword)} {
		assert.Equal(t, http.StatusForbidden, b.Post(t, path, url.Values{"form_token": {b.FormToken(t, path)}, "password": {wrong}, "login": {"eve"}}).Status)
	}
	assert.Equal(t, http.StatusUnauthorized, sensitive().Status)
	var token kmstest.Answer
	for range 5 { // on a busy machine it is too long ago again
		got := b.Post(t, path, url.Values{"form_token": {b.FormToken(t, path)}, "password": {kmstest.EstatePassword}, "return_to": {"https://evil.invalid/"}})
		require.Equal(t, http.StatusSeeOther, got.Status, "%s", got.Body)
		assert.True(t, strings.HasPrefix(got.Header.Get("Location"), "/browser/"), "ASVS 3.7.2")
		if token = sensitive(); token.Status == http.StatusCreated {
			break
		}
	}
	token.Done(t, http.StatusCreated)
	assert.False(t, s.Holds(t, old), "the old id has ended")
	// A token of that user never counts as fresh: nobody knows who holds it.
	s.Call(t, token.Member(t, "token"), http.MethodPost, "api-tokens", map[string]any{"name": "t", "scopes": []string{}}).
		Refused(t, http.StatusUnauthorized, "step_up_required", "a bearer token")
}

// ASVS 6.3.8 and 6.3.1: who guesses learns nothing about who there is, and not for long.
func TestASVS_6_3_GuessingTeachesNothing(t *testing.T) {
	t.Parallel()
	s, _ := people(t, nil)
	b := kmstest.NewBrowser(t, s)
	const path = "/browser/login"
	changing := regexp.MustCompile(`value="[^"]*"`)
	seen, limited := map[string]bool{}, 0
	for range 14 {
		for _, login := range []string{"ada", "nobody"} {
			got := b.Post(t, path, url.Values{"form_token": {b.FormToken(t, path)}, "login": {login}, "password": {"a password that is wrong"}})
			if got.Status == http.StatusTooManyRequests {
				limited++
				continue
			}
			require.Equal(t, http.StatusForbidden, got.Status)
			seen[changing.ReplaceAllString(string(got.Body), "")] = true
		}
	}
	assert.Len(t, seen, 1, "the same page for a user and for nobody")
	assert.Equal(t, 8, limited, "ten guesses each, for a user and for nobody alike")
	got := b.Post(t, path, url.Values{"form_token": {b.FormToken(t, path)}, "login": {"ada"}, "password": {kmstest.EstatePassword}})
	assert.Equal(t, http.StatusTooManyRequests, got.Status, "the right password is not told from a wrong one")
	assert.NotEmpty(t, got.Header.Get("Retry-After"))
}
