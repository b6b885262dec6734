package login_test

import (
	"crypto/sha512"
	"encoding/base64"
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/login"
)

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
