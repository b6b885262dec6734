package kms_test

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

func TestService_SpeaksTLS13Only(t *testing.T) {
	t.Parallel()
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	s := kmstest.Run(t, cfg, files)
	for _, url := range []string{s.URL(), s.AdminURL()} {
		dialer := tls.Dialer{Config: &tls.Config{MaxVersion: tls.VersionTLS12, RootCAs: s.Roots()}}
		_, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "https://"))
		require.ErrorContains(t, err, "protocol version", url)
	}
}

func TestService_EncryptsAndDecryptsAcrossARestart(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg, files := kmstest.Prepare(t, engine)
			first := kmstest.Run(t, cfg, files)
			token := first.Operator(t)
			first.Create(t, token, "payroll", "A256GCM/A256KW")
			sealed := first.Call(t, token, http.MethodPost, "elastic-keys/payroll/encrypt", map[string]any{"plaintext": "aGVsbG8", "context": map[string]string{"r": "1"}})
			require.Equal(t, http.StatusOK, sealed.Status, "%s", sealed.Body)
			first.Stop()

			second := kmstest.Run(t, cfg, files)
			opened := second.Call(t, token, http.MethodPost, "elastic-keys/payroll/decrypt",
				map[string]any{"ciphertext": sealed.Member(t, "ciphertext"), "context": map[string]string{"r": "1"}})
			require.Equal(t, http.StatusOK, opened.Status, "%s", opened.Body)
			require.Equal(t, "aGVsbG8", opened.Member(t, "plaintext"))
		})
	}
}
