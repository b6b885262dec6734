package contract_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/server/contract"
)

func TestMain(m *testing.M) {
	fips.Require()
	os.Exit(m.Run())
}

// document wraps paths, indented by two, into a document with two security schemes.
func document(head, paths string) []byte {
	return []byte(`
openapi: 3.0.3
info: {title: Test, version: 1.0.0}
` + head + `
paths:
` + paths + `
components:
  securitySchemes:
    token: {type: http, scheme: bearer}
    oauth: {type: oauth2, flows: {clientCredentials: {tokenUrl: "https://localhost/token", scopes: {"t:read": r, "t:write": w, "t:admin": a}}}}
  parameters:
    Key: {name: Idempotency-Key, in: header, schema: {type: string}}
  schemas:
    Tree: {type: object, properties: {left: {$ref: "#/components/schemas/Tree"}}}
`)
}

const secured = "security: [{token: []}]"

// operation is a minimal operation on /x with more lines in it.
func operation(method, more string) string {
	return fmt.Sprintf("  /x:\n    %s:\n      operationId: op\n      responses: {default: {description: d}}\n%s", method, indent(more))
}

func indent(text string) string {
	if text == "" {
		return ""
	}

	return "      " + strings.ReplaceAll(text, "\n", "\n      ") + "\n"
}

func load(t *testing.T, head, paths string) *contract.Operation {
	t.Helper()
	c, err := contract.Load(document(head, paths))
	require.NoError(t, err)
	require.Len(t, c.Operations(), 1)

	return c.Operations()[0]
}

func TestLoad_RefusesWhatIsNotStated(t *testing.T) {
	t.Parallel()
	get := func(more string) string { return operation("get", more) }
	post := func(more string) string { return operation("post", more) }
	posted := func(schema string) string {
		return post("x-scopes: []\nx-stateless: true\nrequestBody: {content: {application/json: {schema: " + schema + "}}}")
	}
	queried := func(parameter string) string { return get("x-scopes: []\nparameters: [" + parameter + "]") }
	for name, c := range map[string]struct{ head, paths, want string }{
		"no security":            {"", get("x-scopes: []"), "GET /x: it states no security"},
		"empty global security":  {"security: []", get("x-scopes: []"), "GET /x: it states no security"},
		"optional caller":        {"", get("security: [{token: []}, {}]\nx-scopes: []"), "an empty alternative"},
		"undefined scheme":       {"", get("security: [{other: []}]\nx-scopes: []"), `security scheme "other"`},
		"no scopes":              {secured, get(""), "it states no scopes"},
		"scopes for one of two":  {"", get(`security: [{oauth: ["t:read"]}, {token: []}]`), "it states no scopes"},
		"scopes twice":           {"", get(`security: [{oauth: ["t:read"]}]` + "\nx-scopes: [\"t:read\"]"), "scopes in security and in x-scopes"},
		"scope without product":  {secured, get(`x-scopes: [read]`), `the scope "read"`},
		"scope with space":       {secured, get(`x-scopes: ["t:read t:write"]`), `the scope "t:read t:write"`},
		"scope in capitals":      {secured, get(`x-scopes: ["T:read"]`), `the scope "T:read"`},
		"scopes not a list":      {secured, get(`x-scopes: "t:read"`), "x-scopes must be of type []string"},
		"scopes null":            {secured, get(`x-scopes: null`), "x-scopes must be of type []string"},
		"anonymous with scopes":  {secured, get("security: []\nx-scopes: []"), "it needs no caller and states x-scopes"},
		"unknown extension":      {secured, get("x-scopes: []\nx-hott: true"), "the extension x-hott is unknown"},
		"hot not a boolean":      {secured, get("x-scopes: []\nx-hot: yes please"), "x-hot must be of type bool"},
		"max body not a number":  {secured, get("x-scopes: []\nx-max-body: 1MiB"), "x-max-body must be of type int64"},
		"max body zero":          {secured, get("x-scopes: []\nx-max-body: 0"), "x-max-body must be 1 to"},
		"max body huge":          {secured, get("x-scopes: []\nx-max-body: 67108865"), "x-max-body must be 1 to"},
		"stateless not boolean":  {secured, post("x-scopes: []\nx-stateless: 1"), "x-stateless must be of type bool"},
		"stateless get":          {secured, get("x-scopes: []\nx-stateless: true"), "x-stateless is for POST"},
		"post without key":       {secured, post("x-scopes: []"), "declare the header parameter Idempotency-Key"},
		"stateless with key":     {secured, post("x-scopes: []\nx-stateless: true\nparameters: [{$ref: '#/components/parameters/Key'}]"), "does not honour it"},
		"anonymous post":         {"", post("security: []\nparameters: [{$ref: '#/components/parameters/Key'}]"), "a POST without a caller"},
		"cookie parameter":       {secured, queried("{name: c, in: cookie, schema: {type: string}}"), "cookie parameter c: cookies are the platform's"},
		"object parameter":       {secured, queried("{name: c, in: query, schema: {type: object}}"), "query parameter c: it must be a string"},
		"list in the header":     {secured, queried("{name: c, in: header, schema: {type: array, items: {type: string}}}"), "header parameter c: it must be a string"},
		"list with commas":       {secured, queried("{name: c, in: query, explode: false, schema: {type: array, items: {type: string}}}"), "query parameter c: it must be a string"},
		"list of lists":          {secured, queried("{name: c, in: query, schema: {type: array, items: {type: array, items: {type: string}}}}"), "it must be a string"},
		"untyped parameter":      {secured, queried("{name: c, in: query, schema: {}}"), "query parameter c: it must be a string"},
		"styled parameter":       {secured, queried("{name: c, in: query, style: pipeDelimited, explode: false, schema: {type: array, items: {type: string}}}"), "its default style"},
		"content parameter":      {secured, queried("{name: c, in: query, content: {application/json: {schema: {type: string}}}}"), "it needs a schema"},
		"parameter format":       {secured, queried("{name: c, in: query, schema: {type: string, format: email}}"), `the format "email" is not checked`},
		"body format":            {secured, posted("{type: object, properties: {a: {type: string, format: email}}}"), `the format "email" is not checked`},
		"integer format":         {secured, posted("{type: object, properties: {a: {type: string, format: int64}}}"), `the format "int64" is not checked`},
		"recursive body":         {secured, posted("{$ref: '#/components/schemas/Tree'}"), "contains itself"},
		"open object in silence": {secured, posted("{type: object}"), "must state additionalProperties"},
		"nested, in silence":     {secured, posted("{type: object, properties: {a: {type: array, items: {type: object}}}}"), "member a: an object without properties"},
		"rest, in silence":       {secured, posted("{type: object, additionalProperties: {type: object}}"), "an object without properties"},
		"part, in silence":       {secured, posted("{allOf: [{type: object}]}"), "an object without properties"},
		"choice, in silence":     {secured, posted("{oneOf: [{type: object}]}"), "an object without properties"},
		"member twice": {
			secured, posted("{allOf: [{type: object, properties: {a: {type: string}}}, {type: object, properties: {a: {type: string}}}]}"), `the member "a" is described twice`,
		},
		"too many members": {secured, posted("{type: object, properties: {" + members(65) + "}}"), "at most 64"},
		"body without schema": {
			secured, post("x-scopes: []\nx-stateless: true\nrequestBody: {content: {application/json: {}}}"), "has no schema",
		},
		"media type with parameter": {
			secured, post("x-scopes: []\nx-stateless: true\nrequestBody: {content: {application/json; charset=utf-8: {schema: {type: string}}}}"), "must be one type",
		},
		"any media type": {
			secured, post("x-scopes: []\nx-stateless: true\nrequestBody: {content: {'*/*': {schema: {type: string}}}}"), "must be one type",
		},
		"no operationId": {secured, "  /x:\n    get: {x-scopes: [], responses: {default: {description: d}}}", "GET /x: it has no operationId"},
		"operationId twice": {
			secured, operation("get", "x-scopes: []") + strings.ReplaceAll(operation("get", "x-scopes: []"), "/x", "/y"), `"op"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := contract.Load(document(c.head, c.paths))
			require.ErrorContains(t, err, c.want)
		})
	}
}

func members(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("m%d: {type: string}", i)
	}

	return strings.Join(names, ", ")
}

func TestLoad_RefusesWhatIsNoOpenAPI30(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"openapi: [": "read OpenAPI document",
		"openapi: 3.1.0\ninfo: {title: t, version: v}\npaths: {}": `version "3.1.0"; 3.0 is expected`,
		"openapi: 3.0.3\npaths: {}":                               "read OpenAPI document",
	} {
		_, err := contract.Load([]byte(text))
		require.ErrorContains(t, err, want)
	}
	_, err := contract.Load(document(secured, operation("post",
		"x-scopes: []\nx-stateless: true\nrequestBody: {content: {application/json: {schema: {type: object, properties: {a: {type: number, minimum: 1, exclusiveMinimum: 1}}}}}}")))
	require.ErrorContains(t, err, "a numeric exclusive bound is OpenAPI 3.1")
}

func TestLoad_ReportsAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := contract.Load(document("", operation("get", "")+strings.NewReplacer("/x", "/y", "Id: op", "Id: other").Replace(operation("delete", "x-why: 1"))))
	require.ErrorContains(t, err, "GET /x: it states no security")
	require.ErrorContains(t, err, "DELETE /y: the extension x-why is unknown")
}

func TestLoad_ReadsWhatIsStated(t *testing.T) {
	t.Parallel()
	op := load(t, secured, operation("post", "x-scopes: [\"t:write\", \"t:admin\"]\nx-max-body: 8388608\nx-oapi-codegen-thing: 1\nparameters: [{$ref: '#/components/parameters/Key'}]"))
	assert.Equal(t, "op", op.ID)
	assert.Equal(t, "POST", op.Method)
	assert.Equal(t, "/x", op.Path)
	assert.Equal(t, [][]string{{"t:write"}, {"t:admin"}}, op.Scopes)
	assert.True(t, op.Idempotent)
	assert.False(t, op.Hot)
	assert.False(t, op.Anonymous)
	assert.False(t, op.TakesBody())
	assert.EqualValues(t, 8<<20, op.MaxBody)

	op = load(t, secured, operation("post", "security: []\nx-stateless: true\nx-hot: true"))
	assert.True(t, op.Anonymous)
	assert.False(t, op.Idempotent)
	assert.True(t, op.Hot)
	assert.EqualValues(t, 1<<20, op.MaxBody)
	assert.True(t, op.Permits(nil))
}

func TestPermits_TakesOneAlternativeInFull(t *testing.T) {
	t.Parallel()
	listed := load(t, secured, operation("get", `x-scopes: ["t:read", "t:admin"]`))
	assert.True(t, listed.Permits([]string{"t:other", "t:admin"}))
	assert.True(t, listed.Permits([]string{"t:read"}))
	assert.False(t, listed.Permits([]string{"t:reader", "t:"}))
	assert.False(t, listed.Permits(nil))

	both := load(t, "", operation("get", `security: [{oauth: ["t:read", "t:write"]}, {oauth: ["t:admin"]}]`))
	assert.False(t, both.Permits([]string{"t:read"}))
	assert.False(t, both.Permits([]string{"t:write"}))
	assert.True(t, both.Permits([]string{"t:write", "t:read"}))
	assert.True(t, both.Permits([]string{"t:admin"}))

	anyone := load(t, secured, operation("get", `x-scopes: []`))
	assert.True(t, anyone.Permits(nil))
	assert.False(t, anyone.Anonymous)
}

func TestLoadFor_NamesTheProduct(t *testing.T) {
	t.Parallel()
	text := document("", operation("delete", `security: [{oauth: ["$product:admin", "t:write"]}, {token: ["$product:root"]}]`+"\nx-step-up: true\nx-feature: previews"))
	c, err := contract.LoadFor("kms", text)
	require.NoError(t, err)
	op := c.Operations()[0]
	assert.Equal(t, [][]string{{"kms:admin", "t:write"}, {"kms:root"}}, op.Scopes)
	assert.True(t, op.StepUp)
	assert.Equal(t, "previews", op.Feature)
	c, err = contract.LoadFor("jose", text)
	require.NoError(t, err)
	assert.Equal(t, "jose:admin", c.Operations()[0].Scopes[0][0], "one document serves many products")
	_, err = contract.Load(text)
	require.ErrorContains(t, err, "is not of the form product:permission")
	_, err = contract.LoadFor("Not A Product", text)
	require.ErrorContains(t, err, "is not of the form product:permission")
}

func TestLoad_RefusesExtensionsThatMeanNothing(t *testing.T) {
	t.Parallel()
	for more, want := range map[string]string{
		"security: []\nx-step-up: true": "it needs no caller and states x-step-up",
		"x-scopes: []\nx-step-up: 1":    "x-step-up must be of type bool",
		"x-scopes: []\nx-feature: ''":   "x-feature is empty",
		"x-scopes: []\nx-feature: []":   "x-feature must be of type string",
	} {
		_, err := contract.Load(document(secured, operation("get", more)))
		require.ErrorContains(t, err, want)
	}
}

func TestChanges_TellsUseFromChange(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]bool{"get": false, "head": false, "put": true, "patch": true, "delete": true} {
		assert.Equal(t, want, load(t, secured, operation(method, "x-scopes: []")).Changes(), method)
	}
	assert.True(t, load(t, secured, operation("post", "x-scopes: []\nparameters: [{$ref: '#/components/parameters/Key'}]")).Changes())
	assert.False(t, load(t, secured, operation("post", "x-scopes: []\nx-stateless: true")).Changes())
}

func TestLoadFor_ReadsADocumentOnce(t *testing.T) {
	t.Parallel()
	text := document(secured, operation("get", `x-scopes: []`))
	first, err := contract.LoadFor("kms", text)
	require.NoError(t, err)
	again, err := contract.LoadFor("kms", bytes.Clone(text))
	require.NoError(t, err)
	assert.Same(t, first, again)
	other, err := contract.LoadFor("jose", text)
	require.NoError(t, err)
	assert.NotSame(t, first, other, "scopes name the product")
}
