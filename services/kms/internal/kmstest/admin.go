package kmstest

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/database"
	platform "github.com/cryptoutil/cryptoutil/libs/service"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms"
)

// AdminRequest makes a request to the admin listener, with its token.
func (s *Service) AdminRequest(t testing.TB, method, path, body string) *http.Request {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	request, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, s.AdminURL()+"/admin/v1/"+path, reader)
	require.NoError(t, err)
	token, err := os.ReadFile(s.Files.AdminToken)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	return request
}

// Admin asks something of the admin listener.
func (s *Service) Admin(t testing.TB, method, path, body string) Answer {
	t.Helper()
	return s.Send(t, s.AdminRequest(t, method, path, body))
}

// Submit gives a share to the service.
func (s *Service) Submit(t testing.TB, share string) Answer {
	t.Helper()
	body, err := json.Marshal(map[string]string{"share": share})
	require.NoError(t, err)
	return s.Admin(t, http.MethodPost, "unseal", string(body))
}

// Ready is the status of readyz and what it says about the barrier.
func (s *Service) Ready(t testing.TB) (status int, barrier string) {
	t.Helper()
	got, err := s.Exchange(s.AdminRequest(t, http.MethodGet, "readyz", ""))
	require.NoError(t, err)
	for _, check := range got.Object(t)["checks"].([]any) {
		if check := check.(map[string]any); check["name"] == "barrier" {
			detail, _ := check["detail"].(string)
			return got.Status, detail
		}
	}
	t.Fatalf("readyz does not know the barrier: %s", got.Body)
	return 0, ""
}

// IsSealed checks that nothing but health and unsealing works.
func (s *Service) IsSealed(t testing.TB, h Holding) {
	t.Helper()
	for _, op := range Operations(t) {
		for _, ask := range asks[op.ID](h) {
			for _, prefix := range []string{"/service/api/v1/", "/browser/api/v1/"} {
				got := s.Call(t, h.Token, op.Method, prefix+ask.Path, ask.Body)
				got.Refused(t, http.StatusServiceUnavailable, "sealed", op.ID)
				assert.NotEmpty(t, got.Header.Get("Retry-After"), op.ID)
			}
		}
	}
	s.Call(t, "", http.MethodGet, "nothing", nil).Refused(t, http.StatusServiceUnavailable, "sealed", "a stranger")
	assert.Equal(t, http.StatusOK, s.Admin(t, http.MethodGet, "livez", "").Status)
	assert.Equal(t, true, s.Admin(t, http.MethodGet, "seal", "").Object(t)["sealed"])
	status, reason := s.Ready(t)
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Contains(t, reason, "sealed")
}

// PrepareShamir is Prepare for a service that takes two of three shares.
func PrepareShamir(t testing.TB, engine string) (kms.Config, platform.Files, []string) {
	t.Helper()
	files, _, err := platform.Setup{Service: kms.Service().Description, Dir: filepath.Join(t.TempDir(), "data"), UnsealMode: unseal.Shamir, Shares: 3, Threshold: 2}.Prepare()
	require.NoError(t, err)
	cfg, err := kms.Service().Load(config.Source{
		File:      files.Config,
		Overrides: map[string]string{"public.address": "127.0.0.1:0", "admin.address": "127.0.0.1:0", "telemetry.log_level": "error"},
	}, false)
	require.NoError(t, err)
	if engine == database.EnginePostgres {
		cfg.Database = dbtest.Fresh(t, engine)
	}
	var shares []string
	for _, file := range files.Shares {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		shares = append(shares, strings.TrimSpace(string(text)))
	}
	return cfg, files, shares
}
