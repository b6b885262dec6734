package contract_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server/contract"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// faultsOf returns "code: pointer detail, ..." of an error, "" for none.
func faultsOf(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var p *problem.Error
	require.ErrorAs(t, err, &p)
	var parts []string
	for _, f := range p.Fields() {
		parts = append(parts, f.Pointer+" "+f.Detail)
	}

	return strings.TrimSuffix(p.ErrorCode()+": "+strings.Join(parts, ", "), ": ")
}

const parameters = `
x-scopes: []
parameters:
  - {name: id, in: path, required: true, schema: {type: string, minLength: 1, maxLength: 5, pattern: "^[a-z/]+$"}}
  - {name: limit, in: query, schema: {type: integer, minimum: 1, maximum: 1000}}
  - {name: share, in: query, schema: {type: number, minimum: 0, exclusiveMinimum: true, maximum: 1, exclusiveMaximum: true}}
  - {name: dry_run, in: query, schema: {type: boolean}}
  - {name: status, in: query, schema: {type: string, enum: [active, disabled]}}
  - {name: tag, in: query, schema: {type: array, maxItems: 2, items: {type: integer, minimum: 1}}}
  - {name: since, in: query, required: true, schema: {type: string, format: date-time}}
  - {name: x-mode, in: header, schema: {type: string, enum: [fast]}}
  - {name: If-Match, in: header, required: true, schema: {type: string}}`

func TestCheckParameters(t *testing.T) {
	t.Parallel()
	op := load(t, secured, strings.Replace(operation("get", strings.TrimPrefix(parameters, "\n")), "/x", "/x/{id}", 1))
	const since = "since=2026-01-01T00:00:00Z"
	for query, want := range map[string]string{
		since: "",
		since + "&limit=1&share=0.5&dry_run=false&status=active&tag=1&tag=2": "",
		"":                              "validation_failed: /query/since the query parameter is required",
		"since=yesterday":               "validation_failed: /query/since the query parameter must have the format date-time",
		since + "&limit=0":              "validation_failed: /query/limit the query parameter must be at least 1",
		since + "&limit=1001":           "validation_failed: /query/limit the query parameter must be at most 1000",
		since + "&limit=":               "validation_failed: /query/limit the query parameter must be an integer",
		since + "&limit=1.0":            "validation_failed: /query/limit the query parameter must be an integer",
		since + "&limit=1&limit=2":      "validation_failed: /query/limit the query parameter appears twice",
		since + "&Limit=1":              "validation_failed: /query/Limit the query parameter is unknown",
		since + "&a%2F=1":               "validation_failed: /query/a~1 the query parameter is unknown",
		since + "&share=0":              "validation_failed: /query/share the query parameter must be more than 0",
		since + "&share=1":              "validation_failed: /query/share the query parameter must be less than 1",
		since + "&share=half":           "validation_failed: /query/share the query parameter must be a number",
		since + "&dry_run=yes":          "validation_failed: /query/dry_run the query parameter must be a boolean",
		since + "&status=secret":        "validation_failed: /query/status the query parameter must be one of active, disabled",
		since + "&tag=1&tag=2&tag=3":    "validation_failed: /query/tag the query parameter must have at most 2 items",
		since + "&tag=1&tag=x":          "validation_failed: /query/tag the query parameter must be an integer",
		since + "&tag=1&tag=0":          "validation_failed: /query/tag/1 the query parameter must be at least 1",
		since + "&limit=0&status=other": "validation_failed: /query/limit the query parameter must be at least 1, /query/status the query parameter must be one of active, disabled",
		since + "&a=%zz":                "bad_request",
		since + ";limit=1":              "bad_request",
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/x/abc?"+query, nil)
		r.Header.Set("If-Match", `"1"`)
		assert.Equal(t, want, faultsOf(t, op.CheckParameters(r, func(string) string { return "abc" })), query)
	}
	for raw, want := range map[string]string{
		"abc": "", "a%2Fb": "", "": "validation_failed: /path/id the path parameter must have at least 1 character, /path/id the path parameter must match ^[a-z/]+$",
		"abcdef": "validation_failed: /path/id the path parameter must have at most 5 characters", "a%zz": "bad_request",
		"%2541": "validation_failed: /path/id the path parameter must match ^[a-z/]+$",
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/x/abc?"+since, nil)
		r.Header.Set("If-Match", `"1"`)
		assert.Equal(t, want, faultsOf(t, op.CheckParameters(r, func(name string) string {
			assert.Equal(t, "id", name)

			return raw
		})), raw)
	}
	for _, c := range []struct {
		header http.Header
		want   string
	}{
		{http.Header{"If-Match": {"x"}, "X-Mode": {"fast"}, "X-Other": {"y"}}, ""},
		{http.Header{"If-Match": {"x"}, "X-Mode": {"slow"}}, "validation_failed: /header/X-Mode the header parameter must be one of fast"},
		{http.Header{"If-Match": {"x"}, "X-Mode": {"fast", "fast"}}, "validation_failed: /header/X-Mode the header parameter appears twice"},
		{http.Header{}, "precondition_required"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/x/abc?"+since, nil)
		r.Header = c.header
		assert.Equal(t, c.want, faultsOf(t, op.CheckParameters(r, func(string) string { return "abc" })))
	}
}

func TestCheckParameters_OperationBeatsPath(t *testing.T) {
	t.Parallel()
	op := load(t, secured, "  /x:\n    parameters: [{name: n, in: query, schema: {type: integer}}, {name: m, in: query, schema: {type: integer}}]\n"+
		"    get: {operationId: op, x-scopes: [], parameters: [{name: n, in: query, schema: {type: boolean}}], responses: {default: {description: d}}}\n")
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/x?n=true&m=1", nil)
	assert.Empty(t, faultsOf(t, op.CheckParameters(r, nil)))
}

const body = `
x-scopes: []
x-stateless: true
requestBody:
  required: true
  content:
    application/octet-stream: {}
    application/merge-patch+json: {schema: {type: object, additionalProperties: true}}
    application/json:
      schema:
        type: object
        required: [name, id]
        minProperties: 2
        maxProperties: 8
        properties:
          id: {type: string, format: uuid, readOnly: true}
          name: {type: string, pattern: "^[a-z]+$", minLength: 2, maxLength: 8}
          owner: {type: string, format: uuid}
          note: {type: string, nullable: true}
          size: {type: integer, format: int64, enum: [2048, 3072]}
          step: {type: number, multipleOf: 0.5}
          level: {type: integer, minimum: 0, exclusiveMinimum: true, maximum: 9.5}
          list: {type: array, minItems: 1, maxItems: 3, uniqueItems: true, items: {type: object, properties: {a: {type: string}}}}
          context: {type: object, additionalProperties: {type: string, maxLength: 3}}
          either: {oneOf: [{type: string, maxLength: 1}, {type: integer}]}
          any: {anyOf: [{type: boolean}, {type: object, required: [x], properties: {x: {type: integer}}}]}
          both: {allOf: [{type: object, required: [p], properties: {p: {type: string, maxLength: 2}}}, {type: object, properties: {q: {type: boolean}}}], description: d}
          not: {not: {type: string}}
          free: {}
          strict: {allOf: [{type: object, additionalProperties: false, properties: {a: {type: string}}}, {type: object, properties: {b: {type: string}}}]}
          pair: {type: object, minProperties: 1, maxProperties: 1, additionalProperties: true}
          untyped: {anyOf: [{type: string}, {maxLength: 3}]}
          closed: {type: object, additionalProperties: false}
          text: {allOf: [{type: string, maxLength: 4, enum: [abc, abcd, abcde]}], maxLength: 3}`

// bodies maps a request body to what both ways of checking say, generic and hot ("=" means the same).
var bodies = map[string][2]string{
	`{"name":"abc","note":null}`:     {"", ""},
	`{"name":"abc","any":{"x":1}}`:   {"", ""},
	`{"name":"abc","either":"x"}`:    {"", ""},
	`{"name":"abc","free":{"a":[]}}`: {"", ""},
	`{"name":"abc","both":{"p":"x","q":true},"not":1,"closed":{},"text":"abc"}`: {"", ""},
	`{"name":"abc","context":{"any":"abc"},"list":[{"a":"x"},{}]}`:              {"", ""},
	`{"name":"abc"}`:              {"validation_failed:  must have at least 2 members", ""},
	`{"note":null}`:               {"validation_failed:  must have at least 2 members, /name is required", "validation_failed: /name is required"},
	`[]`:                          {"validation_failed:  must be an object", "="},
	`null`:                        {"validation_failed:  must not be null", "validation_failed:  must be an object"},
	``:                            {"bad_request", "="},
	`{"name":"abc"`:               {"bad_request", "="},
	`{"name":"abc"} x`:            {"trailing_data", "="},
	`{"name":"abc","id":"x"}`:     {"unknown_member: /id is not a member of this object", "="},
	`{"name":"abc","Note":null}`:  {"unknown_member: /Note is not a member of this object", "="},
	`{"name":"abc","name":"abc"}`: {"duplicate_member: /name appears twice", "="},
	`{"name":"abc","list":[{"a":"x","b":1}]}`:                       {"unknown_member: /list/0/b is not a member of this object", "="},
	`{"name":"abc","any":{"x":1,"y":1}}`:                            {"unknown_member: /any/y is not a member of this object", "="},
	`{"name":"abc","both":{"p":"x","r":true}}`:                      {"unknown_member: /both/r is not a member of this object", "="},
	`{"name":"abc","closed":{"a":1}}`:                               {"unknown_member: /closed/a is not a member of this object", "="},
	`{"name":"abc","context":{"a":"b","a":"c"}}`:                    {"duplicate_member: /context/a appears twice", "="},
	`{"name":"ABC","note":""}`:                                      {"validation_failed: /name must match ^[a-z]+$", ""},
	`{"name":"a","note":""}`:                                        {"validation_failed: /name must have at least 2 characters", "="},
	`{"name":"abcdefghi","note":""}`:                                {"validation_failed: /name must have at most 8 characters", "="},
	`{"name":7,"note":""}`:                                          {"validation_failed: /name must be a string", "="},
	`{"name":null,"note":""}`:                                       {"validation_failed: /name must not be null", "validation_failed: /name must be a string"},
	`{"name":"abc","owner":"nobody"}`:                               {"validation_failed: /owner must have the format uuid", ""},
	`{"name":"abc","owner":"0199c9b27c0d7a3eb1d0c3f5a1b2c3d4"}`:     {"validation_failed: /owner must have the format uuid", ""},
	`{"name":"abc","owner":"0199c9b2-7c0d-7a3e-b1d0-c3f5a1b2c3d4"}`: {"", ""},
	`{"name":"abc","size":1024}`:                                    {"validation_failed: /size must be one of 2048, 3072", ""},
	`{"name":"abc","size":3072}`:                                    {"", ""},
	`{"name":"abc","size":3072.5}`:                                  {"validation_failed: /size must be one of 2048, 3072", "validation_failed: /size must be an integer"},
	`{"name":"abc","step":0.75}`:                                    {"validation_failed: /step must be a multiple of 0.5", ""},
	`{"name":"abc","level":0}`:                                      {"validation_failed: /level must be more than 0", "validation_failed: /level must be at least 1"},
	`{"name":"abc","level":9}`:                                      {"", ""},
	`{"name":"abc","level":10}`:                                     {"validation_failed: /level must be at most 9.5", "validation_failed: /level must be at most 9"},
	`{"name":"abc","list":[]}`:                                      {"validation_failed: /list must have at least 1 item", "="},
	`{"name":"abc","list":[{},{"a":"1"},{"a":"2"},{"a":"3"}]}`:      {"validation_failed: /list must have at most 3 items", "="},
	`{"name":"abc","list":[{},{}]}`:                                 {"validation_failed: /list must not hold the same item twice", ""},
	`{"name":"abc","list":[{"a":1}]}`:                               {"validation_failed: /list/0/a must be a string", "="},
	`{"name":"abc","context":{"any":"abcd"}}`:                       {"validation_failed: /context/any must have at most 3 characters", "="},
	`{"name":"abc","either":"xy"}`:                                  {"validation_failed: /either must have one of the documented forms", ""},
	`{"name":"abc","either":true}`:                                  {"validation_failed: /either must have one of the documented forms", "validation_failed: /either must be a string or an integer"},
	`{"name":"abc","any":{}}`:                                       {"validation_failed: /any must have one of the documented forms", ""},
	`{"name":"abc","any":"x"}`:                                      {"validation_failed: /any must have one of the documented forms", "validation_failed: /any must be a boolean or an object"},
	`{"name":"abc","both":{"p":"xyz","q":1}}`:                       {"validation_failed: /both/p must have at most 2 characters, /both/q must be a boolean", "="},
	`{"name":"abc","both":{}}`:                                      {"validation_failed: /both/p is required", "="},
	`{"name":"abc","strict":{"b":"x"}}`:                             {"validation_failed: /strict has a member that is unknown", ""},
	`{"name":"abc","pair":{"a":1,"b":2}}`:                           {"validation_failed: /pair must have at most 1 member", "="},
	`{"name":"abc","untyped":true}`:                                 {"", ""},
	`{"name":"abc","not":"x"}`:                                      {"validation_failed: /not must have one of the documented forms", ""},
	`{"name":"abc","text":"abcd"}`:                                  {"validation_failed: /text must have at most 3 characters", "="},
	`{"name":"abc","text":"x"}`:                                     {"validation_failed: /text must be one of abc, abcd, abcde", "="},
	`{"name":"abc","size":1e999}`:                                   {"validation_failed:  is not valid", "validation_failed: /size must be an integer"},
	`{"name":"abc","step":1e999}`:                                   {"validation_failed: /step must be a number", ""},
	`{"name":"A","note":1,"owner":"x"}`:                             {"validation_failed: /name must have at least 2 characters, /name must match ^[a-z]+$, /note must be a string, /owner must have the format uuid", "validation_failed: /name must have at least 2 characters, /note must be a string or null"},
}

func TestCheckBody(t *testing.T) {
	t.Parallel()
	generic := load(t, secured, operation("post", strings.TrimPrefix(body, "\n")))
	hot := load(t, secured, operation("post", "x-hot: true"+body))
	for text, want := range bodies {
		assert.Equal(t, want[0], faultsOf(t, generic.CheckBody("application/json", []byte(text))), "generic %s", text)
		if want[1] == "=" {
			want[1] = want[0]
		}
		assert.Equal(t, want[1], faultsOf(t, hot.CheckBody("application/json", []byte(text))), "hot %s", text)
	}
	assert.True(t, generic.TakesBody())
	assert.True(t, generic.BodyRequired())
	require.NoError(t, generic.CheckBody("application/octet-stream", []byte("{")))
	assert.Equal(t, "duplicate_member: /a appears twice", faultsOf(t, generic.CheckBody("application/merge-patch+json", []byte(`{"a":1,"a":2}`))))
	require.NoError(t, generic.CheckBody("application/merge-patch+json", []byte(`{"a":1,"b":{"c":null}}`)))
}

func TestCheckBody_NeverRepeatsAValue(t *testing.T) {
	t.Parallel()
	generic := load(t, secured, operation("post", strings.TrimPrefix(body, "\n")))
	const canary = "CANARY-7f3a"
	for _, member := range []string{"name", "owner", "size", "step", "level", "list", "context", "either", "any", "both", "text", "closed"} {
		err := generic.CheckBody("application/json", []byte(`{"name":"abc","note":"","`+member+`":"`+canary+`"}`))
		if err != nil {
			assert.NotContains(t, err.Error(), canary)
		}
	}
}

func TestCheckMediaType(t *testing.T) {
	t.Parallel()
	op := load(t, secured, operation("post", strings.TrimPrefix(body, "\n")))
	for contentType, ok := range map[string]bool{
		"application/json": true, "application/json; charset=utf-8": true, "application/json;charset=UTF-8": true, "Application/JSON": true,
		"application/octet-stream": true, "application/merge-patch+json": true,
		"": false, "text/plain": false, "application/json; charset=utf-16": false, "application/json; v=1": false, "application/json; charset=utf-8; v=1": false,
		"application/jsonx": false, "application/problem+json": false, "json": false, "application/json;;=": false, "*/*": false,
	} {
		err := op.CheckMediaType(contentType)
		assert.Equal(t, ok, err == nil, contentType)
		if err != nil {
			assert.EqualError(t, err, "unsupported_media_type: send the body as application/json or application/merge-patch+json or application/octet-stream")
		}
	}
}

// FuzzCheckBody proves that no body makes a check do anything but answer: with an error for the client, or none.
func FuzzCheckBody(f *testing.F) {
	for text := range bodies {
		f.Add([]byte(text))
	}
	var operations []*contract.Operation
	for _, more := range []string{strings.TrimPrefix(body, "\n"), "x-hot: true" + body} {
		c, err := contract.Load(document(secured, operation("post", more)))
		require.NoError(f, err)
		operations = append(operations, c.Operations()...)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, op := range operations {
			_ = faultsOf(t, op.CheckBody("application/json", content))
		}
	})
}
