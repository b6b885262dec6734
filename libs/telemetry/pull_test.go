package telemetry_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric"

	"github.com/cryptoutil/cryptoutil/libs/telemetry"
	"github.com/cryptoutil/cryptoutil/libs/telemetry/internal/collector"
)

func TestMetrics_AreThereForPrometheusWhenAskedFor(t *testing.T) {
	t.Parallel()
	config := telemetry.Defaults()
	for _, pull := range []bool{false, true} {
		config.Pull = pull
		tel, err := telemetry.Start(t.Context(), config, telemetry.Resource{Service: "kms-server", Version: "1"}, io.Discard)
		require.NoError(t, err)
		t.Cleanup(func() { _ = tel.Shutdown(t.Context()) })
		if !pull {
			assert.Nil(t, tel.Metrics())
			continue
		}
		counter, err := tel.Meter("x").Int64Counter("cryptoutil.tests", metric.WithUnit("{test}"))
		require.NoError(t, err)
		counter.Add(t.Context(), 3)
		answer := httptest.NewRecorder()
		tel.Metrics().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
		assert.Equal(t, http.StatusOK, answer.Code)
		assert.Regexp(t, `(?m)^cryptoutil_tests_total\{[^}]*\} 3$`, answer.Body.String())
		assert.Contains(t, answer.Body.String(), `service_name="kms-server"`)
	}
}

// The collector's credential is sent with each export, read anew, and never in clear text.
func TestOTLP_AuthorizationIsSentOverTLSOnly(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 64)
	sink := collector.New()
	server, root := serveTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Get("Authorization")
		sink.ServeHTTP(w, r)
	}))
	config := sending(server.URL)
	config.OTLP.RootCertificate = root
	tokens := make(chan string, 2)
	config.OTLP.Authorization = func() (string, error) {
		select {
		case token := <-tokens:
			return "Bearer " + token, nil
		default:
			return "", errors.New("the file is gone")
		}
	}
	tel, err := telemetry.Start(t.Context(), config, telemetry.Resource{Service: "kms-server"}, io.Discard)
	require.NoError(t, err)
	for _, token := range []string{"first", "second"} {
		tokens <- token
		_, span := tel.Tracer("x").Start(t.Context(), token)
		span.End()
		require.Eventually(t, func() bool {
			_ = tel.Flush(t.Context())
			select {
			case got := <-seen:
				return got == "Bearer "+token
			default:
				return false
			}
		}, 10*time.Second, 10*time.Millisecond)
	}
	_ = tel.Shutdown(t.Context())

	for _, endpoint := range []string{"http://127.0.0.1:4318", "grpc://127.0.0.1:4317"} {
		config.OTLP.Endpoint = endpoint
		require.ErrorContains(t, config.Validate(), "clear text", endpoint)
	}
}
