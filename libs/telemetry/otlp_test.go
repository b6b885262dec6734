package telemetry_test

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/cryptoutil/cryptoutil/libs/telemetry"
	"github.com/cryptoutil/cryptoutil/libs/telemetry/internal/collector"
)

// sending is a configuration that sends to endpoint.
func sending(endpoint string) telemetry.Config {
	config := telemetry.Defaults()
	config.OTLP.Endpoint = endpoint
	return config
}

// serveTLS starts a collector over HTTPS and returns its root certificate's file.
func serveTLS(t *testing.T, handler http.Handler) (server *httptest.Server, root string) {
	t.Helper()
	server = httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	server.StartTLS()
	t.Cleanup(server.Close)
	root = filepath.Join(t.TempDir(), "root.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	require.NoError(t, os.WriteFile(root, block, 0o600))
	return server, root
}

// serveGRPC starts a collector over gRPC.
func serveGRPC(t *testing.T, sink *collector.Collector, options ...grpc.ServerOption) (address string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer(options...)
	sink.Register(server)
	done := make(chan struct{})
	go func() {
		defer close(done)
		assert.NoError(t, server.Serve(listener))
	}()
	t.Cleanup(func() {
		server.Stop()
		<-done
	})
	return listener.Addr().String()
}

func TestShutdown_DeliversTracesMetricsAndLogs(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"http", "https", "grpc", "grpcs"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink := collector.New()
			var config telemetry.Config
			switch name {
			case "http":
				server := httptest.NewServer(sink)
				t.Cleanup(server.Close)
				config = sending(server.URL)
			case "https":
				server, root := serveTLS(t, sink)
				config = sending(server.URL)
				config.OTLP.RootCertificate = root
			case "grpc":
				config = sending("grpc://" + serveGRPC(t, sink))
			case "grpcs":
				certificates, root := serveTLS(t, http.NotFoundHandler())
				config = sending("grpcs://" + serveGRPC(t, sink, grpc.Creds(credentials.NewTLS(certificates.TLS))))
				config.OTLP.RootCertificate = root
			}
			deliver(t, config, sink)
		})
	}
}

// deliver makes one of everything and expects it at the sink.
func deliver(t *testing.T, config telemetry.Config, sink *collector.Collector) {
	t.Helper()
	tel, out := start(t, config)
	counter, err := tel.Meter("test").Int64Counter("operations", metric.WithUnit("{operation}"))
	require.NoError(t, err)
	ctx, span := tel.Tracer("test").Start(t.Context(), "operation")
	counter.Add(ctx, 3)
	tel.Log().WarnContext(ctx, "something happened", "key", "value")
	span.End()
	require.NoError(t, tel.Shutdown(t.Context()))

	require.Len(t, sink.Spans(), 1, out.String())
	id := span.SpanContext().TraceID().String()
	assert.Equal(t, "operation", sink.Spans()[0].GetName())
	assert.Equal(t, id, hex.EncodeToString(sink.Spans()[0].GetTraceId()))
	require.Len(t, sink.Logs(), 1)
	record := sink.Logs()[0]
	assert.Equal(t, "something happened", record.GetBody().GetStringValue())
	assert.Equal(t, "WARN", record.GetSeverityText())
	assert.Equal(t, id, hex.EncodeToString(record.GetTraceId()))
	assert.Equal(t, "key", record.GetAttributes()[0].GetKey())
	assert.True(t, sink.Service("kms-server"))
	assert.Equal(t, int64(3), sum(sink, "operations"))
	assert.Equal(t, int64(0), sum(sink, "cryptoutil.telemetry.lost"))
	assert.Zero(t, tel.Losses())
	assert.Len(t, out.lines(t), 1, "the log says nothing about telemetry")
}

// sum adds the values of the newest export of a counter; -1 when it is absent.
func sum(sink *collector.Collector, name string) int64 {
	var newest *metrics.Metric
	for _, m := range sink.Metrics() {
		if m.GetName() == name {
			newest = m
		}
	}
	if newest == nil {
		return -1
	}
	var total int64
	for _, point := range newest.GetSum().GetDataPoints() {
		total += point.GetAsInt()
	}
	return total
}

func TestStart_SendsByItselfAfterAWhile(t *testing.T) {
	t.Parallel()
	sink := collector.New()
	server := httptest.NewServer(sink)
	t.Cleanup(server.Close)
	config := sending(server.URL)
	config.OTLP.MetricInterval = 100 * time.Millisecond
	tel, _ := start(t, config)
	_, span := tel.Tracer("test").Start(t.Context(), "operation")
	span.End()
	tel.Log().Info("message")
	assert.Eventually(t, func() bool {
		return len(sink.Spans()) == 1 && len(sink.Logs()) == 1 && sum(sink, "cryptoutil.telemetry.lost") == 0
	}, 8*time.Second, 10*time.Millisecond)
}

func TestFlush_SendsMoreThanOneBatch(t *testing.T) {
	t.Parallel()
	sink := collector.New()
	server := httptest.NewServer(sink)
	t.Cleanup(server.Close)
	tel, _ := start(t, sending(server.URL))
	for range 1300 {
		_, span := tel.Tracer("test").Start(t.Context(), "operation")
		span.End()
	}
	require.NoError(t, tel.Flush(t.Context()))
	assert.Len(t, sink.Spans(), 1300)
}

func TestStart_SendsOnlyWhatIsSampled(t *testing.T) {
	t.Parallel()
	sink := collector.New()
	server := httptest.NewServer(sink)
	t.Cleanup(server.Close)
	config := sending(server.URL)
	config.OTLP.SampleRatio = 0
	tel, _ := start(t, config)
	ctx, span := tel.Tracer("test").Start(t.Context(), "operation")
	tel.Log().InfoContext(ctx, "message")
	span.End()
	require.NoError(t, tel.Shutdown(t.Context()))
	assert.Empty(t, sink.Spans())
	assert.Len(t, sink.Logs(), 1)
}

// blackHole accepts connections and says nothing.
func blackHole(t *testing.T) (address string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, listener.Close()) })
	return listener.Addr().String() // the kernel accepts into the backlog
}

func TestStart_NeverWaitsForACollectorThatSwallowsEverything(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"http://", "grpc://", "https://", "grpcs://"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			config := sending(scheme + blackHole(t))
			config.OTLP.QueueSize = 16
			began := time.Now()
			tel, out := start(t, config)
			const spans = 5000 // the worker holds one batch of 512, the queue 16
			for range spans {
				ctx, span := tel.Tracer("test").Start(t.Context(), "operation")
				tel.Log().InfoContext(ctx, "message")
				span.End()
			}
			assert.Less(t, time.Since(began), 4*time.Second, "neither Start nor the requests wait")
			assert.Eventually(t, func() bool { return tel.Losses().Spans > 0 && tel.Losses().LogRecords > 0 }, time.Second, time.Millisecond)

			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			began = time.Now()
			require.ErrorIs(t, tel.Shutdown(ctx), context.DeadlineExceeded)
			assert.Less(t, time.Since(began), 2*time.Second)
			assert.Equal(t, telemetry.Losses{Spans: spans, LogRecords: spans, MetricExports: 1}, tel.Losses())
			lines := strings.Count(out.String(), "telemetry was lost")
			assert.True(t, lines == 1 || lines == 2, "%d: one from Shutdown, and at most one in a minute before", lines)
		})
	}
}

func TestShutdown_EndsAfterFiveSecondsWithoutADeadline(t *testing.T) {
	t.Parallel()
	tel, out := start(t, sending("http://"+blackHole(t)))
	_, span := tel.Tracer("test").Start(t.Context(), "operation")
	span.End()
	began := time.Now()
	require.ErrorIs(t, tel.Shutdown(context.WithoutCancel(t.Context())), context.DeadlineExceeded)
	took := time.Since(began)
	assert.GreaterOrEqual(t, took, 4900*time.Millisecond)
	assert.Less(t, took, 8*time.Second)
	assert.Equal(t, uint64(1), tel.Losses().Spans)
	assert.Contains(t, out.String(), "telemetry was lost")
}

func TestStart_KeepsTryingWhileTheCollectorIsAway(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	tel, _ := start(t, sending("http://"+address))
	_, span := tel.Tracer("test").Start(t.Context(), "operation")
	span.End()
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	require.Error(t, tel.Flush(short), "refused, and about to be tried again")

	sink := collector.New()
	listener, err = new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	require.NoError(t, err)
	server := &http.Server{Handler: sink, ReadHeaderTimeout: time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		assert.ErrorIs(t, server.Serve(listener), http.ErrServerClosed)
	}()
	t.Cleanup(func() {
		assert.NoError(t, server.Close())
		<-done
	})
	assert.Eventually(t, func() bool { return len(sink.Spans()) == 1 }, 8*time.Second, 10*time.Millisecond)
	assert.Zero(t, tel.Losses().Spans)
}

func TestStart_CountsWhatTheCollectorRefuses(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no", http.StatusForbidden)
	}))
	t.Cleanup(server.Close)
	tel, out := start(t, sending(server.URL))
	_, span := tel.Tracer("test").Start(t.Context(), "operation")
	span.End()
	tel.Log().Info("message")
	require.NoError(t, tel.Shutdown(t.Context()))
	assert.Equal(t, telemetry.Losses{Spans: 1, LogRecords: 1, MetricExports: 1}, tel.Losses())
	lines := out.lines(t)
	require.Len(t, lines, 2)
	assert.Equal(t, "telemetry was lost", lines[1]["msg"])
	assert.Contains(t, lines[1]["error"], "403 Forbidden")
}

func TestSpans_AreRedacted(t *testing.T) {
	t.Parallel()
	sink := collector.New()
	server := httptest.NewServer(sink)
	t.Cleanup(server.Close)
	tel, _ := start(t, sending(server.URL))
	const bad = "https://user:canary@idp.example/authorize?code=canary#canary"
	_, span := tel.Tracer("test").Start(t.Context(), "GET "+bad)
	span.SetAttributes(attribute.String("url.full", bad), attribute.String("url.query", "code=canary"), attribute.StringSlice("all", []string{bad}),
		attribute.Int("n", 7))
	span.RecordError(errors.New(`Get "` + bad + `": refused`))
	span.SetStatus(codes.Error, "failed: "+bad)
	span.End()
	require.NoError(t, tel.Shutdown(t.Context()))
	require.Len(t, sink.Spans(), 1)
	assert.NotContains(t, sink.Raw(), "canary")
	assert.Contains(t, sink.Raw(), "https://[redacted]@idp.example/authorize?[redacted]")
	assert.Len(t, sink.Spans()[0].GetAttributes(), 4)
}
