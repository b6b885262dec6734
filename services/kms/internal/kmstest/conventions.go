package kmstest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/httpapi"
)

var (
	snakeCase = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	timestamp = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$`)
	pointer   = regexp.MustCompile(`^(/([^~]|~[01])*)*$`)
	// insides are words that only the inside of a program or of its database would say.
	insides = regexp.MustCompile(`goroutine|panic|runtime error|\.go\b|0x[0-9a-f]{4}|\b(?i:sql)|SQLSTATE|postgres|pgx|constraint\b|relation|` +
		`json: |strconv|[Uu]nmarshal|invalid character|illegal base64|EOF|github\.com|crypto/|context canceled|no rows|<nil>|%!`)
)

// KeepsConventions checks what must hold for every answer of the public listener, whatever was asked.
func (a Answer) KeepsConventions(t testing.TB, request *http.Request) {
	t.Helper()
	where := request.Method + " " + request.URL.Path
	assert.True(t, isUUIDv7(a.Header.Get("X-Request-Id")), "%s: X-Request-Id %q", where, a.Header.Get("X-Request-Id"))
	assert.Empty(t, a.Header.Values("Server"), where)
	if a.passedHeaders(request) {
		assert.Equal(t, "no-store", a.Header.Get("Cache-Control"), where)
		assert.Equal(t, "nosniff", a.Header.Get("X-Content-Type-Options"), where)
		assert.NotEmpty(t, a.Header.Get("Strict-Transport-Security"), where)
	}
	if a.Status >= http.StatusBadRequest {
		a.isProblem(t, where)
		a.repeatsNothing(t, request)
		return
	}
	if strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") && strings.HasPrefix(request.URL.Path, "/browser") {
		return // a page
	}
	if a.Status == http.StatusNoContent || a.Status == http.StatusNotModified {
		assert.Empty(t, a.Body, where)
		return
	}
	if kind := a.Header.Get("Content-Type"); kind == "application/jose" || kind == "application/octet-stream" {
		assert.NotEqual(t, "application/json", request.Header.Get("Content-Type")+request.Header.Get("Accept"), where)
		assert.True(t, isUUIDv7(a.Header.Get("Kms-Elastic-Key-Id")), where)
		return // octets
	}
	assert.Equal(t, "application/json", a.Header.Get("Content-Type"), where)
	checkMembers(t, where, a.Object(t))
}

// passedHeaders tells whether the pipeline came as far as the prefix's headers. What is refused before them is about the service, not about
// a resource.
func (a Answer) passedHeaders(request *http.Request) bool {
	path := request.URL.EscapedPath()
	if !strings.HasPrefix(path, "/service/") && !strings.HasPrefix(path, "/browser/") {
		return false
	}
	return a.Status != http.StatusServiceUnavailable && a.Status != http.StatusRequestHeaderFieldsTooLarge
}

// isProblem checks a problem document (RFC 9457).
func (a Answer) isProblem(t testing.TB, where string) {
	t.Helper()
	require.Equal(t, "application/problem+json", a.Header.Get("Content-Type"), "%s: %d %s", where, a.Status, a.Body)
	var doc struct {
		Type      string          `json:"type"`
		Title     string          `json:"title"`
		Status    int             `json:"status"`
		Detail    string          `json:"detail"`
		Code      string          `json:"code"`
		RequestID string          `json:"request_id"`
		Errors    []problem.Field `json:"errors"`
	}
	decoder := json.NewDecoder(strings.NewReader(string(a.Body)))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&doc), "%s: %s", where, a.Body)
	codes, err := problem.Platform().Extend(httpapi.Codes())
	require.NoError(t, err)
	kind, known := codes[doc.Code]
	assert.True(t, known, "%s: the code %q stands in no table", where, doc.Code)
	assert.Equal(t, kind.Status, a.Status, "%s: %s", where, a.Body)
	assert.Equal(t, a.Status, doc.Status, where)
	assert.Equal(t, kind.Title, doc.Title, where)
	assert.Equal(t, "urn:cryptoutil:problem:"+doc.Code, doc.Type, where)
	assert.Equal(t, a.Header.Get("X-Request-Id"), doc.RequestID, where)
	assert.NotRegexp(t, insides, string(a.Body), where)
	for _, fault := range doc.Errors {
		assert.Regexp(t, pointer, fault.Pointer, where)
		assert.NotEmpty(t, fault.Detail, where)
	}
	if a.Status == http.StatusInternalServerError {
		t.Errorf("%s: %s", where, a.Body)
	}
}

// telling is from how many characters on a text of the request, found in a problem, was not put there by chance.
const telling = 8

// fixed are parts of paths that are no values.
var fixed = []string{
	"elastic-keys", "material-keys", "public-key", "schedule-deletion", "cancel-deletion", "set-primary", "mark-compromised", "schedule-destruction",
	"import-jobs", "approvals",
	"generate-data-key", "generate-random", "generate", "reencrypt", "encapsulate", "decapsulate", "verify-mac",
}

// repeatsNothing checks that a problem shows no value of the request. The place of a fault, a member's or parameter's name, is no value.
func (a Answer) repeatsNothing(t testing.TB, request *http.Request) {
	t.Helper()
	var values []string
	for _, segment := range strings.Split(strings.TrimPrefix(request.URL.Path, APIBase), "/") {
		if !slices.Contains(fixed, strings.TrimSuffix(segment, "-batch")) {
			values = append(values, segment)
		}
	}
	for _, several := range request.URL.Query() {
		values = append(values, several...)
	}
	for name, several := range request.Header {
		if name != "Content-Type" {
			values = append(values, several...)
		}
	}
	if request.GetBody != nil {
		body, err := request.GetBody()
		require.NoError(t, err)
		content, err := io.ReadAll(body)
		require.NoError(t, err)
		var value any
		if json.Unmarshal(content, &value) == nil {
			values = append(values, texts(value)...)
		}
	}
	shown := string(a.Body)
	for _, value := range values {
		if len(value) >= telling && !isAlgorithm(value) {
			assert.NotContains(t, shown, value, "%s %s repeats the request", request.Method, request.URL.Path)
		}
	}
}

// isAlgorithm tells whether a text is a name that stands in the service's own tables: known, or refused by name.
func isAlgorithm(text string) bool {
	_, err := alg.ParseSpec(text, 0, "")
	return err == nil || strings.Contains(err.Error(), "is refused")
}

// texts are all strings in a JSON value, names of members left out.
func texts(value any) (all []string) {
	switch v := value.(type) {
	case string:
		return []string{v}
	case []any:
		for _, item := range v {
			all = append(all, texts(item)...)
		}
	case map[string]any:
		for _, member := range v {
			all = append(all, texts(member)...)
		}
	}
	return all
}

// checkMembers holds an answer to the conventions about names, times and identifiers.
func checkMembers(t testing.TB, where string, object map[string]any) {
	t.Helper()
	_, isCaller := object["tenant"] // whose id is the realm's
	for name, value := range object {
		assert.Regexp(t, snakeCase, name, where)
		text, isText := value.(string)
		switch {
		case strings.HasSuffix(name, "_at"):
			assert.Regexp(t, timestamp, text, "%s: %s", where, name)
			at, err := time.Parse(time.RFC3339, text)
			assert.NoError(t, err, where)
			if !slices.Contains(planned, name) {
				assert.WithinDuration(t, time.Now(), at, time.Hour, "%s: %s", where, name)
			}
		case isText && (name == "id" && !isCaller || strings.HasSuffix(name, "_id")) && name != "set_id": // which is a digest
			assert.True(t, isUUIDv7(text), "%s: %s is %q", where, name, text)
		case name == "jwk", name == "tags": // whose members are RFC 7517's, and the caller's
		default:
			list, _ := value.([]any)
			for _, item := range append(list, value) {
				if inner, ok := item.(map[string]any); ok {
					checkMembers(t, where, inner)
				}
			}
		}
	}
}

// planned are times that are to come.
var planned = []string{"delete_at", "destroy_at", "expires_at", "next_rotation_at"}

func isUUIDv7(text string) bool {
	id, err := uuid.Parse(text)
	return err == nil && id.Version() == 7 && id.String() == text
}

// Refused checks that an answer is the problem of this status and code.
func (a Answer) Refused(t testing.TB, status int, code, what string) {
	t.Helper()
	require.Equal(t, status, a.Status, "%s: %s", what, a.Body)
	require.Equal(t, code, a.Member(t, "code"), "%s: %s", what, a.Body)
}

// Query makes a path with a query.
func Query(path string, pairs ...string) string {
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return path + "?" + values.Encode()
}
