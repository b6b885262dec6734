package reference_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
	"github.com/cryptoutil/cryptoutil/libs/server/reference"
)

func TestMain(m *testing.M) {
	fips.Require()
	os.Exit(m.Run())
}

const things = `
openapi: 3.0.3
info:
  title: cryptoutil Things
  version: 1.0.0
  description: Things & <script>alert(1)</script>, see ` + "`a<b`" + `.
servers: [{url: /service/api/v1, description: For programs.}]
tags: [{name: things, description: All of them.}]
paths:
  /things/{id}:
    x-alias: /old/{id}
    post:
      operationId: useThing
      tags: [things]
      summary: Use it
      description: "Codes: ` + "`worn_out`, `unknown`" + `."
      x-scopes: ["$product:use", "$product:admin"]
      x-step-up: true
      x-resource: thing
      x-max-body: 2097152
      parameters:
        - {name: id, in: path, required: true, description: Which one., schema: {type: string, minLength: 1, maxLength: 9}}
      requestBody:
        content: {application/json: {schema: {$ref: "#/components/schemas/Use"}}}
      responses:
        default: {description: A problem.}
        "200":
          description: Done.
          headers: {ETag: {schema: {type: string}, description: Its revision.}}
          content: {application/json: {schema: {type: array, items: {$ref: "#/components/schemas/Use"}}}}
components:
  schemas:
    Use:
      type: object
      description: How.
      required: [times]
      example: {times: 3}
      properties:
        times: {type: integer, minimum: 1, maximum: 5, description: How often.}
        kind: {type: string, enum: [soft, hard], default: soft}
`

const others = `
openapi: 3.0.3
info:
  title: cryptoutil others
  version: 1.0.0
paths:
  /others: {get: {operationId: listOthers, security: [], responses: {"200": {description: All.}}}}
`

// serve is the reference with its routes.
func serve(t *testing.T) map[string]http.Handler {
	t.Helper()
	r, err := reference.New("things", "Things that wear out", []server.API{
		{Document: []byte(things), Codes: problem.Table{"worn_out": {Status: http.StatusConflict, Title: "It is worn out"}}},
		{Document: []byte(others)},
	})
	require.NoError(t, err)
	routes := map[string]http.Handler{}
	for _, p := range r.Protocols() {
		assert.True(t, p.Anonymous && p.Light, p.Path)
		routes[p.Path] = p.Handler
	}
	return routes
}

func get(t *testing.T, handler http.Handler, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
	r.Header = header
	handler.ServeHTTP(w, r)
	return w
}

func TestPage_SaysWhatTheDocumentsSay(t *testing.T) {
	t.Parallel()
	routes := serve(t)
	got := get(t, routes[reference.Path], nil)
	require.Equal(t, http.StatusOK, got.Code)
	assert.Equal(t, "text/html; charset=utf-8", got.Header().Get("Content-Type"))
	assert.NotContains(t, got.Header().Get("Content-Security-Policy"), "script")
	page := got.Body.String()
	for _, want := range []string{
		"Things that wear out", "Things &amp; &lt;script&gt;alert(1)&lt;/script&gt;", "<code>a&lt;b</code>", // no markup from a document
		`id="useThing"`, `id="listOthers"`, "Use it", "<code>things:use</code>, <code>things:admin</code>", "<code>/old/{id}</code>",
		"step_up_required", "single thing", "at most 2097152 bytes", "Anybody may call it", "1 to 9 characters", "Which one.", "Its revision.",
		`list of Use</a>`, `id="things-Use"`, "at least 1; at most 5", "one of soft, hard; soft when absent", "How often.", "&#34;times&#34;: 3",
		`<a href="#code-worn_out"><code>worn_out</code></a>`, "<code>unknown</code>", "It is worn out", `id="code-not_found"`,
	} {
		assert.Contains(t, page, want)
	}
	assert.Less(t, strings.Index(page, "<strong>200</strong>"), strings.Index(page, "<strong>default</strong>"))
	assert.NotContains(t, page, "<script")
	leadsSomewhere(t, page, routes)
}

// leadsSomewhere makes sure that each link has its end.
func leadsSomewhere(t *testing.T, page string, routes map[string]http.Handler) {
	t.Helper()
	ends := map[string]int{}
	for _, end := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		ends["#"+end[1]]++
		assert.Equal(t, 1, ends["#"+end[1]], end[1])
	}
	links := regexp.MustCompile(` href="([^"]+)"`).FindAllStringSubmatch(page, -1)
	assert.NotEmpty(t, links)
	for _, link := range links {
		assert.True(t, ends[link[1]] == 1 || routes[link[1]] != nil, link[1])
	}
}

func TestDocuments_AreThoseOfTheProduct(t *testing.T) {
	t.Parallel()
	routes := serve(t)
	got := get(t, routes[reference.Path+"/things.yaml"], nil)
	require.Equal(t, http.StatusOK, got.Code)
	assert.Equal(t, "application/yaml", got.Header().Get("Content-Type"))
	assert.Equal(t, strings.ReplaceAll(things, "$product", "things"), got.Body.String())
	assert.Equal(t, others, get(t, routes[reference.Path+"/others.yaml"], nil).Body.String())
}

func TestEverything_IsAskedForAgainCheaply(t *testing.T) {
	t.Parallel()
	for path, handler := range serve(t) {
		first := get(t, handler, nil)
		tag := first.Header().Get("ETag")
		require.NotEmpty(t, tag, path)
		again := get(t, handler, http.Header{"If-None-Match": {tag}})
		assert.Equal(t, http.StatusNotModified, again.Code, path)
		assert.Empty(t, again.Body.String(), path)
		assert.Equal(t, http.StatusOK, get(t, handler, http.Header{"If-None-Match": {`"other"`}}).Code, path)
	}
}

func TestNew_NeedsATitle(t *testing.T) {
	t.Parallel()
	_, err := reference.New("things", "", []server.API{{Document: []byte("openapi: 3.0.3")}})
	require.ErrorContains(t, err, "no title")
}
