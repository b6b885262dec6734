package server_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server"
)

// sink is a response that goes nowhere.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkPipeline is what the platform adds to a hot operation: beside it stands the handler alone.
func BenchmarkPipeline(b *testing.B) {
	body := []byte(`{"input":"` + strings.Repeat("A", 256) + `"}`)
	answer := []byte(`{"output":"x"}`)
	handler := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(answer)
	}
	request := func() *http.Request {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "https://localhost/service/api/v1/things/thing-1/use", bytes.NewReader(body))
		require.NoError(b, err)
		r.Header = http.Header{
			"Authorization": {"Bearer reader"}, "Content-Type": {"application/json"}, "Accept": {"*/*"}, "User-Agent": {"bench"}, "Content-Length": {"300"},
		}

		return r
	}
	run := func(b *testing.B, h http.Handler) {
		b.Helper()
		b.ReportAllocs()
		template := request()
		for b.Loop() {
			r := *template
			r.Body = io.NopCloser(bytes.NewReader(body))
			h.ServeHTTP(&sink{http.Header{}}, &r)
		}
	}
	b.Run("handler", func(b *testing.B) { run(b, http.HandlerFunc(handler)) })
	for name, level := range map[string]slog.Level{"pipeline": slog.LevelWarn, "pipeline with access log": slog.LevelInfo} {
		f, config, deps := prepare(b)
		deps.Log = slog.New(slog.NewJSONHandler(struct{ io.Writer }{io.Discard}, &slog.HandlerOptions{Level: level}))
		deps.Auth = f.realm
		deps.API.Mount = func(r chi.Router, errs server.ErrorHandlers) {
			f.mount(r, errs)
			r.Post("/things/{id}/use", handler)
		}
		s, err := server.New(config, deps)
		require.NoError(b, err)
		b.Run(name, func(b *testing.B) { run(b, s) })
	}
}
