package kmstest

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// KeyGrant is what makes a grant of operations.
func KeyGrant(kind, id string, operations ...string) map[string]any {
	return map[string]any{"grantee": map[string]any{"kind": kind, "id": id}, "operations": operations}
}

// Becomes waits until an answer has a status, as long as a change may take to be in force.
func Becomes(t *testing.T, status int, why string, ask func() Answer) {
	t.Helper()
	var got Answer
	require.Eventually(t, func() bool {
		got = ask()
		return got.Status == status
	}, time.Second, 5*time.Millisecond, why)
}

// Hears waits until the audit trail has events of these actions about a key.
func (s *Service) Hears(t *testing.T, actions ...string) {
	t.Helper()
	for _, action := range actions {
		require.Eventually(t, func() bool {
			got := s.Ask(t, http.MethodGet, "audit/events?limit=1000&object_kind=elastic-key&action="+action, nil)
			return got.Status == http.StatusOK && len(got.Items(t)) > 0
		}, 10*time.Second, 50*time.Millisecond, action)
	}
}
