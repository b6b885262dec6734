package login_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/login"
)

// visitor is an HTTP client with a cookie jar that does not follow redirects by itself.
type visitor struct {
	*http.Client

	site *site
}

func (s *site) visitor() *visitor {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(s.t, err)
	cert, err := sharedMaterial()
	require.NoError(s.t, err)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: cert.RootPool(), MinVersion: tls.VersionTLS13}}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &visitor{&http.Client{
		Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, s}
}

// answer is a response that was read.
type answer struct {
	*http.Response

	body string
}

func (b *visitor) do(r *http.Request) answer {
	b.site.t.Helper()
	response, err := b.Do(r)
	require.NoError(b.site.t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	require.NoError(b.site.t, err)
	return answer{response, string(body)}
}

func (b *visitor) request(method, path string, body io.Reader) *http.Request {
	b.site.t.Helper()
	r, err := http.NewRequestWithContext(b.site.t.Context(), method, b.site.url+path, body)
	require.NoError(b.site.t, err)
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	return r
}

func (b *visitor) get(path string) answer {
	b.site.t.Helper()
	return b.do(b.request(http.MethodGet, path, nil))
}

// post sends a form as a browser does from a page of the site.
func (b *visitor) post(path string, form url.Values) answer {
	b.site.t.Helper()
	r := b.request(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", b.site.url)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(r)
}

// token is the token of the first form with that action on a page.
func (b *visitor) token(page answer, action string) string {
	b.site.t.Helper()
	found := regexp.MustCompile(`(?s)action="` + regexp.QuoteMeta(action) + `">\s*<input type="hidden" name="form_token" value="([^"]+)">`).FindStringSubmatch(page.body)
	require.NotNil(b.site.t, found, "%s in %s", action, page.body)
	return found[1]
}

// submit opens a page and posts the form on it that goes to action.
func (b *visitor) submit(page, action string, fields ...string) answer {
	b.site.t.Helper()
	form := url.Values{"form_token": {b.token(b.get(page), action)}}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return b.post(action, form)
}

// login logs in at the default tenant.
func (b *visitor) login(fields ...string) answer {
	b.site.t.Helper()
	if len(fields) == 0 {
		fields = []string{"login", "alice", "password", alicePassword}
	}
	return b.submit(login.PathLogin, login.PathLogin, fields...)
}

// session is the value of the cookie of a tenant's session, "" without one.
func (b *visitor) session(tenant string) string {
	b.site.t.Helper()
	u, err := url.Parse(b.site.url)
	require.NoError(b.site.t, err)
	for _, c := range b.Jar.Cookies(u) {
		if c.Name == "__Host-cu-kms-"+tenant {
			return c.Value
		}
	}
	return ""
}

// setSession puts a value into the cookie.
func (b *visitor) setSession(tenant, value string) {
	b.site.t.Helper()
	u, err := url.Parse(b.site.url)
	require.NoError(b.site.t, err)
	b.Jar.SetCookies(u, []*http.Cookie{{Name: "__Host-cu-kms-" + tenant, Value: value, Path: "/", Secure: true}})
}

// loggedIn tells whether the browser reaches the account page.
func (b *visitor) loggedIn() bool {
	b.site.t.Helper()
	return b.get(login.PathAccount).StatusCode == http.StatusOK
}
