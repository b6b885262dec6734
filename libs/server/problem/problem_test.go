package problem_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

func TestMain(m *testing.M) {
	fips.Require()
	os.Exit(m.Run())
}

// foreign is an error of a package that does not know this one.
type foreign struct{ code string }

func (f foreign) Error() string     { return "canary: " + f.code }
func (f foreign) ErrorCode() string { return f.code }

func TestDocument_HoldsOnlyWhatTheErrorOffers(t *testing.T) {
	t.Parallel()
	cause := errors.New("canary: connection refused")
	for name, c := range map[string]struct {
		err    error
		status int
		code   string
		detail string
		fields int
	}{
		"own":         {problem.New("conflict", "the name %q is taken", "x"), 409, "conflict", `the name "x" is taken`, 0},
		"wrapped":     {fmt.Errorf("canary: %w", problem.New("not_found", "no such key").Because(cause)), 404, "not_found", "no such key", 0},
		"with fields": {problem.New("validation_failed", "d").With(problem.Field{Pointer: "/a", Detail: "b"}).With(problem.Field{Pointer: "/c"}), 400, "validation_failed", "d", 2},
		"foreign":     {fmt.Errorf("canary: %w", foreign{"sealed"}), 503, "sealed", "", 0},
		"uncoded":     {cause, 500, "internal_error", "", 0},
		"unknown":     {problem.New("no_such_code", "canary").With(problem.Field{Detail: "canary"}), 500, "internal_error", "", 0},
		"internal":    {problem.New("internal_error", "canary"), 500, "internal_error", "", 0},
		"joined":      {errors.Join(cause, problem.New("conflict", "there")), 409, "conflict", "there", 0},
	} {
		doc := problem.Platform().Document(c.err, "id-1")
		assert.Equal(t, c.status, doc.Status, name)
		assert.Equal(t, c.code, doc.Code, name)
		assert.Equal(t, c.detail, doc.Detail, name)
		assert.Len(t, doc.Errors, c.fields, name)
		assert.Equal(t, "id-1", doc.RequestID, name)
		text, err := json.Marshal(doc)
		require.NoError(t, err)
		assert.NotContains(t, string(text), "canary", name)
	}
}

func TestDocument_OnTheWire(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	err := problem.New("overloaded", "later").With(problem.Field{Pointer: "/a", Detail: "b"})
	problem.Platform().Document(err, "id-1").Write(w)
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	assert.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	assert.Equal(t, "1", w.Header().Get("Retry-After"))
	assert.JSONEq(t, `{"type":"urn:cryptoutil:problem:overloaded","title":"The service is at capacity","status":503,"detail":"later",
		"code":"overloaded","request_id":"id-1","errors":[{"pointer":"/a","detail":"b"}]}`, w.Body.String())
	w = httptest.NewRecorder()
	problem.Platform().Document(errors.New("x"), "id-2").Write(w)
	assert.Empty(t, w.Header().Get("Retry-After"))
	assert.JSONEq(t, `{"type":"urn:cryptoutil:problem:internal_error","title":"The service failed","status":500,"code":"internal_error","request_id":"id-2"}`, w.Body.String())
}

func TestError_TextIsForTheLog(t *testing.T) {
	t.Parallel()
	cause := errors.New("disk full")
	err := problem.New("conflict", "taken").Because(cause)
	require.EqualError(t, err, "conflict: taken: disk full")
	require.ErrorIs(t, err, cause)
	require.EqualError(t, problem.New("sealed", ""), "sealed")
	plain := problem.New("conflict", "taken")
	_ = plain.With(problem.Field{Pointer: "/a"}).Because(cause)
	assert.Empty(t, plain.Fields())
	require.NoError(t, plain.Unwrap())
}

func TestTable_Extend(t *testing.T) {
	t.Parallel()
	table, err := problem.Platform().Extend(problem.Table{"wrong_key_use": {Status: 409, Title: "t", RetryAfter: time.Second}})
	require.NoError(t, err)
	assert.Equal(t, 409, table.Document(problem.New("wrong_key_use", "d"), "").Status)
	assert.NotContains(t, problem.Platform(), "wrong_key_use")
	for name, more := range map[string]problem.Table{
		"taken":     {"sealed": {Status: 503, Title: "t"}},
		"case":      {"WrongUse": {Status: 409, Title: "t"}},
		"empty":     {"": {Status: 409, Title: "t"}},
		"no error":  {"fine": {Status: 200, Title: "t"}},
		"no status": {"fine": {Status: 600, Title: "t"}},
		"no title":  {"fine": {Status: 409}},
	} {
		_, err := problem.Platform().Extend(more)
		require.Error(t, err, name)
	}
	for code, kind := range problem.Platform() {
		assert.Regexp(t, "^[a-z_]+$", code)
		assert.GreaterOrEqual(t, kind.Status, 400)
		assert.NotEmpty(t, kind.Title)
		assert.Equal(t, kind.Status == 503 || kind.Status == 429 || code == "idempotency_in_progress", kind.RetryAfter > 0, code)
	}
}

func TestPointer_EscapesTokens(t *testing.T) {
	t.Parallel()
	assert.Empty(t, problem.Pointer())
	assert.Equal(t, "/", problem.Pointer(""))
	assert.Equal(t, "/a~1b/m~0n/~01", problem.Pointer("a/b", "m~n", "~1"))
}

func TestTable_IsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("codes.md")
	require.NoError(t, err)
	documented := 0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "| `") {
			documented++
		}
	}
	assert.Len(t, problem.Platform(), documented)
	for code, kind := range problem.Platform() {
		after := ""
		if kind.RetryAfter > 0 {
			after = strconv.Itoa(int(kind.RetryAfter / time.Second))
		}
		assert.Contains(t, string(text), fmt.Sprintf("| %s | %d | %s | %s |\n", "`"+code+"`", kind.Status, after, kind.Title))
	}
}

func TestDocument_SaysWhenTheErrorKnows(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	own, err := problem.Platform().Extend(problem.Table{"busy": {Status: http.StatusServiceUnavailable, Title: "t"}})
	require.NoError(t, err)
	own.Document(problem.New("busy", "d"), "id").Write(w)
	assert.Equal(t, "1", w.Header().Get("Retry-After"), "every 503 says when to come back")
	for after, want := range map[time.Duration]string{0: "1", time.Millisecond: "1", time.Second: "1", 1001 * time.Millisecond: "2", time.Hour: "3600"} {
		w := httptest.NewRecorder()
		problem.Platform().Document(fmt.Errorf("x: %w", problem.New("rate_limited", "d").After(after)), "id").Write(w)
		assert.Equal(t, want, w.Header().Get("Retry-After"))
		assert.True(t, strings.HasSuffix(w.Body.String(), "}\n"), "for people at a terminal")
	}
}
