package servicetest

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Essence is an answer without what differs from request to request: status, header and body of two refusals for the same reason are alike.
func (a Answer) Essence(t testing.TB) string {
	t.Helper()
	object := a.Object(t)
	delete(object, "request_id")
	header := a.Header.Clone()
	for _, name := range []string{"X-Request-Id", "Date", "Content-Length"} {
		header.Del(name)
	}
	text, err := json.MarshalIndent(map[string]any{"status": a.Status, "header": header, "body": object}, "", " ")
	require.NoError(t, err)
	return string(text)
}

// Traceless checks that an answer, header included, shows none of another tenant's marks but those that it was asked with.
func (a Answer) Traceless(t testing.TB, marks []string, asked, what string) {
	t.Helper()
	header, err := json.Marshal(a.Header)
	require.NoError(t, err)
	shown := strings.ToLower(string(header) + string(a.Body))
	for _, mark := range marks {
		if mark = strings.ToLower(mark); !strings.Contains(strings.ToLower(asked), mark) {
			assert.NotContains(t, shown, mark, what)
		}
	}
}

// LooksAbsent checks that a request for what is another tenant's is refused with a code, and just as the same request for what does not exist.
func (a Answer) LooksAbsent(t testing.TB, absent Answer, code, what string) {
	t.Helper()
	require.GreaterOrEqual(t, a.Status, http.StatusBadRequest, "%s: %s", what, a.Body)
	assert.Equal(t, code, a.Member(t, "code"), "%s: %s", what, a.Body)
	assert.Equal(t, absent.Essence(t), a.Essence(t), "%s: what is another's looks like what does not exist", what)
}
