package browser_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/testkit/browser"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

func TestPage_IsUsedByKeyboardWithoutScripts(t *testing.T) {
	t.Parallel()
	site := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		http.SetCookie(w, &http.Cookie{Name: "__Host-a", Value: "b", Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
		_, _ = fmt.Fprintf(w, `<!doctype html><title>t</title><p>%s %s<p id="script">off</p><script>document.getElementById("script").textContent="on"</script>
			<form method="post"><label for="n">Name</label><input id="n" name="n" autofocus><button>Send</button></form>`, r.Method, r.FormValue("n"))
	}))
	t.Cleanup(site.Close)
	b := browser.Start(t, site.Certificate())
	p := b.NoScripts(t, browser.Look{Width: 400, Height: 300})
	p.Open(site.URL)
	assert.Contains(t, p.HTML(), "off")
	p.Type("#n", "Grace Hopper")
	p.Press("button")
	assert.Contains(t, p.HTML(), "POST Grace Hopper")
	assert.Contains(t, p.AccessibleNames(), "textbox Name")
	assert.Equal(t, site.URL+"/", p.URL())
	cookies := p.Cookies()
	if assert.Len(t, cookies, 1) {
		assert.Equal(t, "__Host-a", cookies[0].Name)
		assert.True(t, cookies[0].Secure && cookies[0].HTTPOnly && cookies[0].Session)
	}
	file := filepath.Join(t.TempDir(), "page.png")
	p.Screenshot(file)
	assert.FileExists(t, file)

	other := b.Page(t, browser.Look{Width: 400, Height: 300})
	other.Open(site.URL)
	assert.Contains(t, other.HTML(), `<p id="script">on`)
}
