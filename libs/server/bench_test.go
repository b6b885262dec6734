package server_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/telemetry"
)

// sink is a response that goes nowhere.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }

// counting is an auditor that does nothing else.
type counting struct{ n atomic.Int64 }

func (c *counting) Observe(context.Context, server.Observation) { c.n.Add(1) }

// processorTime is what the process has used so far.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))

	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// unlimited leaves the limits in place and out of reach.
func unlimited() server.Rate { return server.Rate{Limit: 1 << 29, Per: time.Second, Burst: 1 << 29} }

// benchServer is a server with everything that the platform does for a request, in front of a handler that does nothing.
func benchServer(b *testing.B, handler http.HandlerFunc, change func(*server.Deps)) *server.Server {
	b.Helper()
	f, config, deps := prepare(b)
	config.Rates = server.Rates{PerAddress: unlimited(), PerClient: unlimited(), PerUser: unlimited()}
	deps.Log = slog.New(slog.DiscardHandler)
	deps.Tenants = tenants{"acme": ""}
	deps.Bind = func(ctx context.Context, _ string) context.Context { return ctx }
	deps.Auditor = &counting{}
	deps.API.Mount = func(r chi.Router, errs server.ErrorHandlers) {
		f.mount(r, errs)
		r.Post("/things/{id}/use", handler)
	}
	if change != nil {
		change(&deps)
	}
	s, err := server.New(config, deps)
	require.NoError(b, err)

	return s
}

// withTelemetry is telemetry as services have it, sent to a collector that is away.
func withTelemetry(b *testing.B, ratio float64) func(*server.Deps) {
	b.Helper()
	config := telemetry.Defaults()
	config.OTLP.Endpoint, config.OTLP.SampleRatio = "https://127.0.0.1:1", ratio
	all, err := telemetry.Start(b.Context(), config, telemetry.Resource{Service: "bench", Version: "1", Instance: "1"}, io.Discard)
	require.NoError(b, err)
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(b.Context()), time.Second)
		defer cancel()
		_ = all.Shutdown(ctx) // the collector is away
	})

	return func(d *server.Deps) { d.Log, d.Tracer, d.Meter = all.Log(), all.Tracer("bench"), all.Meter("bench") }
}

// BenchmarkPipeline is what the platform adds to a hot operation: beside it stands the handler alone.
func BenchmarkPipeline(b *testing.B) {
	body := []byte(`{"input":"` + strings.Repeat("A", 256) + `"}`)
	answer := []byte(`{"output":"x"}`)
	handler := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(answer)
	}
	template, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "https://localhost/service/api/v1/things/thing-1/use", bytes.NewReader(body))
	require.NoError(b, err)
	template.RemoteAddr = "127.0.0.1:54321"
	template.Header = http.Header{
		"Authorization": {"Bearer reader"}, "Content-Type": {"application/json"}, "Accept": {"*/*"}, "User-Agent": {"bench"}, "Content-Length": {"300"},
	}
	run := func(b *testing.B, h http.Handler) {
		b.Helper()
		b.ReportAllocs()
		began := processorTime(b)
		for b.Loop() {
			r := *template
			r.Body = io.NopCloser(bytes.NewReader(body))
			h.ServeHTTP(&sink{http.Header{}}, &r)
		}
		b.ReportMetric(float64(processorTime(b)-began)/float64(b.N), "cpu-ns/op")
	}
	b.Run("handler", func(b *testing.B) { run(b, http.HandlerFunc(handler)) })
	b.Run("pipeline", func(b *testing.B) { run(b, benchServer(b, handler, nil)) })
	b.Run("telemetry at 1 percent", func(b *testing.B) { run(b, benchServer(b, handler, withTelemetry(b, 0.01))) })
	b.Run("telemetry in full", func(b *testing.B) { run(b, benchServer(b, handler, withTelemetry(b, 1))) })
}

// BenchmarkLight is what a public object costs, beside a handler alone that gives the same.
func BenchmarkLight(b *testing.B) {
	content := []byte(strings.Repeat("k", 2000))
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{"application/json"}
		_, _ = w.Write(content)
	})
	template, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "https://localhost/.well-known/jwks.json", nil)
	require.NoError(b, err)
	template.RemoteAddr = "127.0.0.1:54321"
	run := func(b *testing.B, h http.Handler) {
		b.Helper()
		b.ReportAllocs()
		for b.Loop() {
			r := *template
			h.ServeHTTP(&sink{http.Header{}}, &r)
		}
	}
	b.Run("handler", func(b *testing.B) { run(b, handler) })
	b.Run("route", func(b *testing.B) {
		run(b, benchServer(b, nil, func(d *server.Deps) {
			d.API.Mount = nil
			f, _, deps := prepare(b)
			_ = f
			d.API = deps.API
			d.Protocols = []server.Protocol{{Method: "GET", Path: "/.well-known/jwks.json", Client: server.ClientEither, Anonymous: true, Light: true, Handler: handler}}
		}))
	})
}
