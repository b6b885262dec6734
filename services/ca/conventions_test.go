package ca_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/httpapi"
)

// insides are words that only the inside of a program or of its database would say.
var insides = regexp.MustCompile(`goroutine|panic|runtime error|\.go\b|0x[0-9a-f]{4}|\b(?i:sql)|SQLSTATE|postgres|pgx|constraint|relation|` +
	`json: |strconv|[Uu]nmarshal|invalid character|illegal base64|EOF|github\.com|crypto/|context canceled|no rows|<nil>|%!`)

// keepsConventions checks what must hold for every answer of the public listener, whatever was asked.
func (a answer) keepsConventions(t testing.TB, request *http.Request) {
	t.Helper()
	where := request.Method + " " + request.URL.Path
	id, err := uuid.Parse(a.Header.Get("X-Request-Id"))
	assert.NoError(t, err, where)
	assert.EqualValues(t, 7, id.Version(), where)
	assert.Equal(t, "nosniff", a.Header.Get("X-Content-Type-Options"), where)
	assert.NotEmpty(t, a.Header.Get("Strict-Transport-Security"), where)
	if strings.HasPrefix(request.URL.Path, "/service/") {
		assert.Equal(t, "no-store", a.Header.Get("Cache-Control"), where)
	}
	if a.Status < http.StatusBadRequest {
		return
	}
	require.Equal(t, "application/problem+json", a.Header.Get("Content-Type"), "%s: %d %s", where, a.Status, a.Body)
	var doc problem.Document
	require.NoError(t, json.Unmarshal(a.Body, &doc), where)
	codes, err := problem.Platform().Extend(httpapi.Codes())
	require.NoError(t, err)
	kind, known := codes[doc.Code]
	assert.True(t, known, "%s: the code %q stands in no table", where, doc.Code)
	assert.Equal(t, kind.Status, a.Status, "%s: %s", where, a.Body)
	assert.Equal(t, a.Header.Get("X-Request-Id"), doc.RequestID, where)
	assert.NotRegexp(t, insides, string(a.Body), where)
	if a.Status == http.StatusInternalServerError {
		t.Errorf("%s: %s", where, a.Body)
	}
}

func mustHost(t testing.TB, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	return u.Host
}
