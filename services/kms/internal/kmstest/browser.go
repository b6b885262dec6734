package kmstest

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/service/servicetest"
)

const (
	// Self is where a session asks who it is.
	Self = "/browser/api/v1/self"
	// SessionCookie is the name of the cookie of a session in tenant default.
	SessionCookie = "__Host-cu-kms-default"
)

// Value is what a cookie of the browser holds.
func (b *Browser) Value(t testing.TB, name string) string {
	t.Helper()
	for _, cookie := range b.Cookies(t) {
		if cookie.Name == name {
			return cookie.Value
		}
	}
	return ""
}

// Holds tells whether a session's cookie is good for anything.
func (s *Service) Holds(t testing.TB, cookie string) bool {
	t.Helper()
	return s.Ask(t, http.MethodGet, Self, nil, "Cookie", SessionCookie+"="+cookie).Status == http.StatusOK
}

// EstatePassword is every user's.
const EstatePassword = "a password that is long enough"

// Browser is one that keeps its cookies.
type Browser struct {
	s    *Service
	HTTP *http.Client
}

// NewBrowser is a browser without a session.
func NewBrowser(t testing.TB, s *Service) *Browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	client := &http.Client{Transport: s.HTTP.Transport, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &Browser{s: s, HTTP: client}
}

// LogIn logs a user in at the pages of a tenant.
func LogIn(t testing.TB, s *Service, tenant, login string) *Browser {
	t.Helper()
	b := NewBrowser(t, s)
	path := "/t/" + tenant + "/browser/login"
	got := b.Post(t, path, url.Values{"form_token": {b.FormToken(t, path)}, "login": {login}, "password": {EstatePassword}})
	require.Equal(t, http.StatusSeeOther, got.Status, "%s", got.Body)
	require.Contains(t, got.Header.Get("Location"), "/browser/account", "logged in")
	return b
}

// Send sends a request with the cookies of the browser, and follows nothing.
func (b *Browser) Send(t testing.TB, request *http.Request) Answer {
	t.Helper()
	response, err := b.HTTP.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return Answer{servicetest.Answer{Status: response.StatusCode, Header: response.Header, Body: content}}
}

// Get asks for a page.
func (b *Browser) Get(t testing.TB, path string) Answer {
	t.Helper()
	return b.Send(t, b.s.Request(t, "", http.MethodGet, path, nil))
}

// Post sends a form.
func (b *Browser) Post(t testing.TB, path string, form url.Values) Answer {
	t.Helper()
	request := b.s.Request(t, "", http.MethodPost, path, strings.NewReader(form.Encode()), "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")
	return b.Send(t, request)
}

var formTokens = regexp.MustCompile(`name="form_token" value="([^"]+)"`)

// FormToken is the token of the last form of a page, "" where there is none.
func (b *Browser) FormToken(t testing.TB, path string) string {
	t.Helper()
	found := formTokens.FindAllStringSubmatch(string(b.Get(t, path).Body), -1)
	if len(found) == 0 {
		return ""
	}
	return found[len(found)-1][1]
}

// Cookies are what the browser holds for the service.
func (b *Browser) Cookies(t testing.TB) []*http.Cookie {
	t.Helper()
	base, err := url.Parse(b.s.URL())
	require.NoError(t, err)
	return b.HTTP.Jar.Cookies(base)
}
