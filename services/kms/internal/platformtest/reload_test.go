package platformtest_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	platform "github.com/cryptoutil/cryptoutil/libs/service"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"

	"github.com/cryptoutil/cryptoutil/services/kms"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// A change of the configuration file takes effect where it is live, and is named in the log where it needs a restart; a file that cannot be
// used changes nothing.
func TestReload_OfAConfigurationFileThatChanges(t *testing.T) {
	t.Parallel()
	files, _, err := platform.Setup{Service: kms.Service().Description, Dir: filepath.Join(t.TempDir(), "data"), UnsealMode: unseal.Derive}.Prepare()
	require.NoError(t, err)
	text, err := os.ReadFile(files.Config)
	require.NoError(t, err)
	write := func(more string) {
		require.NoError(t, os.WriteFile(files.Config+".new", []byte(string(text)+more), 0o600))
		require.NoError(t, os.Rename(files.Config+".new", files.Config))
	}
	logs, serving := &kmstest.LogBuffer{}, make(chan cli.Serving, 1)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- kms.Service().Program().Start(ctx, cli.Start{
			Source: config.Source{File: files.Config, Overrides: map[string]string{
				"public.address": "127.0.0.1:0", "admin.address": "127.0.0.1:0", "mtls.address": "",
			}},
			Log: logs, Reload: make(chan struct{}), Serving: func(s cli.Serving) { serving <- s },
		})
	}()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-done)
	})
	var at cli.Serving
	select {
	case at = <-serving:
	case err := <-done:
		t.Fatal(err, logs.String())
	}
	roots, err := tlsconfig.LoadRoots(at.RootFile)
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: tlsconfig.ClientConfig(roots)}}
	t.Cleanup(client.CloseIdleConnections)
	status := func() int {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at.PublicURL+"/service/api/v1/self", nil)
		require.NoError(t, err)
		answer, err := client.Do(request)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		return answer.StatusCode
	}
	soon := func(why string, ok func() bool) {
		t.Helper()
		require.Eventually(t, ok, 15*time.Second, 20*time.Millisecond, why)
	}
	require.Equal(t, http.StatusUnauthorized, status())
	write("\naccess:\n  allow: [192.0.2.0/24]\n")
	soon("the allowlist is in force", func() bool { return status() == http.StatusForbidden })
	write("\naccess:\n  allow: [nonsense]\n")
	soon("the fault is logged", func() bool { return strings.Contains(logs.String(), "reload failed") })
	assert.Equal(t, http.StatusForbidden, status(), "a file that cannot be used changes nothing")
	write("\ndrain_timeout: 7s\n")
	soon("the allowlist is gone", func() bool { return status() == http.StatusUnauthorized })
	assert.Contains(t, logs.String(), `"keys":["drain_timeout"]`)
}
