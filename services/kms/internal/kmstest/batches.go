package kmstest

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Results are those of a batch.
func (a Answer) Results(t testing.TB) (results []map[string]any) {
	t.Helper()
	list, ok := a.Object(t)["results"].([]any)
	require.True(t, ok, "%s", a.Body)
	for _, item := range list {
		results = append(results, item.(map[string]any))
	}
	return results
}

// RefusedItem checks that a result is the problem of this status and code.
func RefusedItem(t testing.TB, result map[string]any, status int, code, what string) {
	t.Helper()
	assert.InDelta(t, status, result["status"], 0, "%s: %v", what, result)
	document, _ := result["problem"].(map[string]any)
	assert.Equal(t, code, document["code"], "%s: %v", what, result)
	assert.Len(t, result, 2, "%s: a problem and nothing else", what)
}

// TrailOf are the events of a request, of those that are in the trail by now.
func (s *Service) TrailOf(t testing.TB, request Answer) (events []map[string]any) {
	t.Helper()
	for _, item := range s.Ask(t, http.MethodGet, "audit/events?limit=1000&newest=true", nil).Done(t, http.StatusOK).Items(t) {
		if event := item["event"].(map[string]any); event["request_id"] == request.Header.Get("X-Request-Id") {
			events = append(events, event)
		}
	}
	return events
}
