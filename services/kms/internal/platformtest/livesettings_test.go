package platformtest_test

import (
	"encoding/base64"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// What is live of the KMS's own settings holds from the moment that it is read again; what is not waits for a restart, and the log says so.
func TestReload_OfTheServicesOwnSettings(t *testing.T) {
	t.Parallel()
	cfg, files := kmstest.Prepare(t, "sqlite")
	cfg.Telemetry.LogLevel = "warn"
	certificate := kmstest.Administer(t, &cfg)
	s := kmstest.Run(t, cfg, files)
	root := s.As(t, certificate)
	id := root.Made(t, "key", nil)
	plan := func(days int) int {
		return root.Ask(t, http.MethodPost, "elastic-keys/"+id+"/schedule-deletion?dry_run=true", map[string]any{"wait_days": days}).Status
	}
	encrypt := func(bytes int) int {
		text := base64.RawURLEncoding.EncodeToString(make([]byte, bytes))
		return root.Ask(t, http.MethodPost, "elastic-keys/"+id+"/encrypt", map[string]any{"plaintext": text}).Status
	}
	assert.Equal(t, http.StatusOK, plan(7))
	assert.Equal(t, http.StatusOK, encrypt(100))
	changed := cfg
	changed.Keys.MinWaitDays, changed.Keys.InlineLimit, changed.Keys.Cache = 20, 99, cfg.Keys.Cache+1
	require.NoError(t, kms.Service().Reload(s.Instance, changed))
	assert.Equal(t, http.StatusBadRequest, plan(7))
	assert.Equal(t, http.StatusBadRequest, plan(19))
	assert.Equal(t, http.StatusOK, plan(20))
	assert.Equal(t, http.StatusRequestEntityTooLarge, encrypt(100))
	assert.Equal(t, http.StatusOK, encrypt(99))
	assert.Contains(t, s.Logs.String(), `"keys.cache"`)
	assert.NotContains(t, s.Logs.String(), `"keys.min_wait_days"`)
	changed.Keys.TenantMinWaitDays = map[string]int{"default": 7, "other": 30}
	require.NoError(t, kms.Service().Reload(s.Instance, changed))
	assert.Equal(t, http.StatusOK, plan(7))
}
