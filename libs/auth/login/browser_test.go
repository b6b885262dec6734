package login_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/login"
	"github.com/cryptoutil/cryptoutil/libs/auth/session"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/browser"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// picturesVariable names a folder for screenshots, for people to look at; without it none are kept.
const picturesVariable = "CRYPTOUTIL_TEST_PICTURES"

// certificate is the one that the site shows.
func (s *site) certificate() *x509.Certificate {
	s.t.Helper()
	cert, err := sharedMaterial()
	require.NoError(s.t, err)
	u, err := url.Parse(s.url)
	require.NoError(s.t, err)
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: cert.RootPool(), MinVersion: tls.VersionTLS13}}
	connection, err := dialer.DialContext(s.t.Context(), "tcp", u.Host)
	require.NoError(s.t, err)
	defer connection.Close()
	tlsConnection, ok := connection.(*tls.Conn)
	require.True(s.t, ok)
	return tlsConnection.ConnectionState().PeerCertificates[0]
}

// picture keeps a screenshot, and wants the page to fit.
func picture(t *testing.T, p *browser.Page, look browser.Look, name string) {
	t.Helper()
	p.Look(look)
	assert.LessOrEqual(t, p.Width(), look.Width, "%s has to be scrolled sideways", name)
	if folder := os.Getenv(picturesVariable); folder != "" {
		p.Screenshot(filepath.Join(folder, name+".png"))
	}
}

// A person logs in, looks around and out again, by keyboard, with scripts switched off.
func TestBrowser_LogsInAndOutWithoutScripts(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t, dbtest.Fresh(t, database.EngineSQLite, database.PlatformMigrations(), session.Migrations()), database.PlatformMigrations(), session.Migrations())
	s := start(t, db, newUsers(), &clock{}, "")
	desktop, phone := browser.Look{Width: 1000, Height: 760}, browser.Look{Width: 360, Height: 640}
	dark := browser.Look{Width: 1000, Height: 760, Dark: true}
	chromium := browser.Start(t, s.certificate())
	p := chromium.NoScripts(t, desktop)

	p.Open(s.url + login.PathAccount)
	assert.Equal(t, s.url+"/browser/login?return_to=%2Fbrowser%2Faccount", p.URL())
	names := p.AccessibleNames()
	for _, want := range []string{"heading Log in", "textbox User name or e-mail address", "textbox Password", "button Log in", "main"} {
		assert.Contains(t, names, want)
	}
	picture(t, p, desktop, "login")
	picture(t, p, phone, "login-phone")
	picture(t, p, dark, "login-dark")

	p.TypeHere("alice") // the focus is where one begins
	p.Key("Tab", "")
	p.TypeHere("wrong")
	p.Press("button.primary")
	assert.Contains(t, p.HTML(), "The user name or the password is wrong.")
	assert.Contains(t, p.AccessibleNames(), "alert")
	picture(t, p, desktop, "login-wrong")
	p.TypeHere(alicePassword) // the name is there, the focus is on the password
	p.Press("button.primary")
	assert.Equal(t, s.url+login.PathAccount, p.URL())
	found := false
	for _, c := range p.Cookies() {
		if c.Name == "__Host-cu-kms-default" {
			found = c.Secure && c.HTTPOnly && c.Session && c.SameSite == "Lax" && c.Path == "/"
		}
	}
	assert.True(t, found, "%v", p.Cookies())

	elsewhere := chromium.NoScripts(t, phone)
	elsewhere.Open(s.url + login.PathLogin)
	elsewhere.Type("#login", "alice")
	elsewhere.Type("#password", alicePassword)
	elsewhere.Press("button.primary")
	p.Open(s.url + login.PathAccount)
	picture(t, p, desktop, "account")
	picture(t, p, phone, "account-phone")
	picture(t, p, dark, "account-dark")
	assert.Equal(t, 2, strings.Count(p.HTML(), `name="session"`))
	p.Press(`form[action$="end-others"] button`)
	assert.Contains(t, p.HTML(), "All your other sessions have ended.")
	assert.Equal(t, 1, strings.Count(p.HTML(), `name="session"`))
	picture(t, p, desktop, "account-ended")
	elsewhere.Open(s.url + login.PathAccount)
	assert.Contains(t, elsewhere.URL(), login.PathLogin)

	p.Open(s.url + login.PathAuthenticate + "?return_to=" + url.QueryEscape("/browser/account/password"))
	picture(t, p, desktop, "authenticate")
	p.TypeHere(alicePassword)
	p.Press("button.primary")
	assert.Equal(t, s.url+"/browser/account/password", p.URL())
	picture(t, p, desktop, "password")
	p.Type("#password", alicePassword)
	p.Type("#new_password", "a new long password")
	p.Type("#repeated_password", "a new long password")
	p.Press("button.primary")
	assert.Contains(t, p.HTML(), "The password is changed.")

	p.Open(s.url + login.PathLogout)
	picture(t, p, desktop, "logout")
	p.Press("button.primary")
	assert.Equal(t, s.url+"/browser/login?notice=logged_out", p.URL())
	picture(t, p, phone, "logged-out-phone")
	p.Open(s.url + login.PathAccount)
	assert.Contains(t, p.URL(), login.PathLogin)

	p.Open(s.url + "/t/acme/browser/login")
	picture(t, p, desktop, "login-tenant")
}

// What another site has a browser send, with a person's click on it, changes nothing, and it cannot frame the pages.
func TestBrowser_AnotherSiteCanDoNothing(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t, dbtest.Fresh(t, database.EngineSQLite, database.PlatformMigrations(), session.Migrations()), database.PlatformMigrations(), session.Migrations())
	s := start(t, db, newUsers(), &clock{}, "")
	mallory := s.visitor()
	token := mallory.token(mallory.get(login.PathLogin), login.PathLogin)
	page := `<!doctype html><title>Win</title>
		<form id="in" method="post" action="` + s.url + login.PathLogin + `"><input name="form_token" value="` + token + `">
		<input name="login" value="mallory"><input name="password" value="my own password"><button>Win</button></form>
		<form id="out" method="post" action="` + s.url + login.PathLogout + `"><button>Win</button></form>
		<iframe src="` + s.url + login.PathLogin + `"></iframe>`
	evil := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(page))
	}))
	t.Cleanup(evil.Close)
	elsewhere := strings.Replace(evil.URL, "127.0.0.1", "localhost", 1)

	p := browser.Start(t, s.certificate(), evil.Certificate()).Page(t, browser.Look{Width: 800, Height: 600})
	p.Open(s.url + login.PathLogin)
	p.Type("#login", "alice")
	p.Type("#password", alicePassword)
	p.Press("button.primary")
	require.Equal(t, s.url+login.PathAccount, p.URL())
	for _, form := range []string{"#in", "#out"} {
		p.Open(elsewhere)
		assert.NotContains(t, p.AccessibleNames(), "textbox Password", "the frame is empty")
		p.Press(form + " button")
		assert.Contains(t, p.HTML(), "csrf_failed", form)
	}
	p.Open(s.url + login.PathAccount)
	assert.Contains(t, p.HTML(), "Alice", "still logged in, as the same")
}
