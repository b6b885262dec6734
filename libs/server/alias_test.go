package server_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server"
)

// aliased is the tests' document with other paths for two of its paths.
func aliased(t testing.TB) []byte {
	t.Helper()
	text := replace(string(document), "  /things:\n", "  /things:\n    x-alias: /other/v1/items\n",
		"  /things/{id}:\n", "  /things/{id}:\n    x-alias: /other/v1/items/{id}\n",
		"  /things/{id}/use:\n", "  /things/{id}/use:\n    x-alias: /other/v1/use/{id}\n")
	require.Equal(t, 3, strings.Count(text, "x-alias"))

	return []byte(text)
}

// said is an answer without what differs between two answers to one request: its id, its time and how often the handler was called.
func (a answer) said() (status int, header http.Header, body string) {
	header = a.Header.Clone()
	id := header.Get("X-Request-Id")
	for _, name := range []string{"X-Request-Id", "Date", "Content-Length"} {
		header.Del(name)
	}
	body, _, _ = strings.Cut(strings.ReplaceAll(a.body, id, ""), `"n":`)

	return a.StatusCode, header, body
}

// Whatever is asked of an alias, the answer is the one of the path that it stands for, refusals and their headers included.
func TestAlias_AnswersAsThePathThatItStandsFor(t *testing.T) {
	t.Parallel()
	f := start(t, func(_ *server.Config, d *server.Deps) { d.API.Document = aliased(t) })
	const canonical, other = "/service/api/v1/things", "/other/v1/items"
	reader, writer := []string{"Authorization", "Bearer reader"}, []string{"Authorization", "Bearer writer"}
	with := func(headers []string, more ...string) []string {
		return append(append([]string{}, headers...), more...)
	}
	for name, c := range map[string]struct {
		method, path string // behind the common part
		more         []string
	}{
		"a list":                     {"GET", "", reader},
		"a query":                    {"GET", "?limit=7", reader},
		"a query that is refused":    {"GET", "?limit=0", reader},
		"a query that is unknown":    {"GET", "?x=1", reader},
		"an item":                    {"GET", "/a", reader},
		"an item with a slash in it": {"GET", "/a%2Fb", reader},
		"an item with braces":        {"GET", "/%7Bid%7D", reader},
		"an item that is too long":   {"GET", "/" + strings.Repeat("x", 21), reader},
		"nobody's request":           {"GET", "", nil},
		"a wrong credential":         {"GET", "", []string{"Authorization", "Bearer unknown"}},
		"two credentials":            {"GET", "", with(reader, "Authorization", "Bearer writer")},
		"the wrong scope":            {"GET", "", []string{"Authorization", "Bearer scopeless"}},
		"a browser's session":        {"GET", "", []string{"Cookie", "__Host-cu-t-default=x"}},
		"a method that is not there": {"PUT", "", reader},
		"a body that is refused":     {"POST", "", with(writer, `body:{"name":"A"}`)},
		"a body that is not JSON":    {"POST", "", with(writer, `body:{`)},
		"a body of another type":     {"POST", "", with(writer, "Content-Type", "text/plain", `body:{"name":"a"}`)},
		"from another site":          {"POST", "", []string{"Authorization", "Basic dDp3cml0ZTp4", "Sec-Fetch-Site", "cross-site", `body:{"name":"a"}`}},
		"another site's preflight":   {"OPTIONS", "", []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "POST"}},
		"a deletion":                 {"DELETE", "/a", writer},
	} {
		status, header, body := f.send(f.request(c.method, f.PublicURL()+canonical+c.path, c.more...)).said()
		gotStatus, gotHeader, gotBody := f.send(f.request(c.method, f.PublicURL()+other+c.path, c.more...)).said()
		assert.Equal(t, status, gotStatus, name)
		assert.Equal(t, header, gotHeader, name)
		assert.Equal(t, body, gotBody, name)
	}
	deeper := f.send(f.request("GET", f.PublicURL()+other+"/a/b/c", reader...))
	assert.Equal(t, "not_found", deeper.problem(t).Code, "nothing stands there, and nobody needs to be known to hear it")
	used := f.send(f.request("POST", f.PublicURL()+"/other/v1/use/a", with(reader, `body:{"input":"x"}`)...))
	assert.Contains(t, used.body, `"handler":"use","id":"a"`)
}

func TestAlias_SharesIdempotencyKeysLimitsAndTheSeal(t *testing.T) {
	t.Parallel()
	f := start(t, func(_ *server.Config, d *server.Deps) { d.API.Document = aliased(t) })
	create := func(path string) answer {
		return f.send(f.request("POST", f.PublicURL()+path, "Authorization", "Bearer writer", "Idempotency-Key", "k1", `body:{"name":"a"}`))
	}
	first := create("/other/v1/items")
	require.Equal(t, http.StatusCreated, first.StatusCode, first.body)
	again := create("/service/api/v1/things")
	assert.Equal(t, "true", again.Header.Get("Idempotency-Replayed"), "one resource, one key")
	assert.Equal(t, first.body, again.body)
	assert.Equal(t, 1, f.calls())
	require.NoError(t, f.seal.Seal(t.Context()))
	sealed := f.send(f.request("GET", f.PublicURL()+"/other/v1/items", "Authorization", "Bearer reader"))
	assert.Equal(t, "sealed", sealed.problem(t).Code)
}

func TestAlias_IsOnTheListenerForCertificatesWhatItsPathIs(t *testing.T) {
	t.Parallel()
	cert, err := sharedMaterial()
	require.NoError(t, err)
	source := &mutual{Material: cert, demand: tls.RequireAndVerifyClientCert, clients: x509.NewCertPool()}
	f := start(t, func(c *server.Config, d *server.Deps) {
		c.MTLS.Address, d.MTLS, d.Auth, d.API.Document = "127.0.0.1:0", source, certified{}, aliased(t)
	})
	_, err = do(f.client, f.request("GET", f.MTLSURL()+"/other/v1/items"))
	require.Error(t, err, "without a certificate nobody comes so far")
	for _, path := range []string{"/other/v1/items", "/service/api/v1/things"} {
		assert.Equal(t, "unauthenticated", f.send(f.request("GET", f.PublicURL()+path)).problem(t).Code, path)
	}
}

func TestNew_RefusesAliasesThatMeanTwoThings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ from, to, want string }{
		"one for two paths":       {"/other/v1/items/{id}", "/other/v1/items", "stands for /things"},
		"under a prefix":          {"/other/v1/items\n", "/service/items\n", "is the platform's"},
		"under a tenant":          {"/other/v1/items\n", "/t/items\n", "is the platform's"},
		"one segment":             {"/other/v1/items\n", "/items\n", "something behind it"},
		"no path":                 {"/other/v1/items\n", "items/v1\n", "something behind it"},
		"a parameter first":       {"/other/v1/items/{id}\n", "/{id}/x\n", "something behind it"},
		"other parameters":        {"/other/v1/items/{id}\n", "/other/v1/items/{name}\n", "has other parameters"},
		"none where there is one": {"/other/v1/items/{id}\n", "/other/v1/item\n", "has other parameters"},
		"not a text":              {"/other/v1/items\n", "7\n", "x-alias must be of type string"},
	} {
		_, config, deps := prepare(t)
		deps.API.Document = []byte(replace(string(aliased(t)), c.from, c.to))
		_, err := server.New(config, deps)
		assert.ErrorContains(t, err, c.want, name)
	}
	_, config, deps := prepare(t)
	deps.API.Document = aliased(t)
	deps.Protocols = []server.Protocol{{Method: "GET", Path: "/other/x", Client: server.ClientEither, Anonymous: true, Handler: http.NotFoundHandler()}}
	_, err := server.New(config, deps)
	assert.ErrorContains(t, err, "the path is an alias's")
}
