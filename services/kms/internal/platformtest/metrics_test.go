package platformtest_test

import (
	"crypto/rand"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// pull asks the metrics listener with an Authorization header.
func pull(t testing.TB, s *kmstest.Service, authorization string) (status int, text string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.MetricsURL(), nil)
	require.NoError(t, err)
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	answer, err := s.HTTP.Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(body)
}

func TestMetrics_ArePulledByWhoShowsTheTokenAlone(t *testing.T) {
	t.Parallel()
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	token := rand.Text() + rand.Text()
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte(token+"\n"), 0o600))
	secret, err := config.NewSecret("file://"+file, config.Policy{})
	require.NoError(t, err)
	cfg.Telemetry.Prometheus.Address, cfg.Telemetry.Prometheus.Token = "127.0.0.1:0", secret
	s := kmstest.Run(t, cfg, files)
	operator := s.Operator(t)
	h := kmstest.NewHolding(t, s, "default", operator)
	s.Post(t, operator, "elastic-keys/"+h.Secret+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})

	for _, wrong := range []string{"", "Bearer", "Bearer " + token + "x", "Bearer " + token[1:], "Basic " + token, "Bearer " + operator} {
		status, text := pull(t, s, wrong)
		assert.Equal(t, http.StatusUnauthorized, status, wrong)
		assert.NotContains(t, text, "cryptoutil_", wrong)
	}
	status, text := pull(t, s, "Bearer "+token)
	require.Equal(t, http.StatusOK, status)
	for _, want := range []string{
		`cryptoutil_crypto_operations_total{algorithm="A256GCM/A256KW",operation="encrypt"`,
		`http_server_request_duration_seconds_count{http_request_method="POST",http_response_status_code="200",http_route="/service/api/v1/elastic-keys/{id}/encrypt"`,
		"cryptoutil_database_connections", "cryptoutil_tls_certificate_remaining_seconds", "cryptoutil_barrier_sealed", "cryptoutil_changes_stale", "cryptoutil_keygen_depth",
	} {
		assert.Contains(t, text, want)
	}
	assert.NotContains(t, text, operator)
	require.NoError(t, os.WriteFile(file, []byte("another token of more than thirty-two characters\n"), 0o600))
	status, _ = pull(t, s, "Bearer "+token)
	assert.Equal(t, http.StatusUnauthorized, status, "the token was replaced")
}
