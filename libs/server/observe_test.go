package server_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/cryptoutil/cryptoutil/libs/server"
)

// recorder is a tracer and a meter that remember.
type recorder struct {
	metricnoop.Meter

	mu      sync.Mutex
	spans   []*span
	records []attribute.Set
	active  int64
	peak    int64
	refused int64
}

type span struct {
	tracenoop.Span

	owner  *recorder
	name   string
	remote trace.SpanContext
	attrs  map[attribute.Key]attribute.Value
	status codes.Code
	ended  bool
}

type tracer struct {
	tracenoop.Tracer

	owner *recorder
}

func (t tracer) Start(ctx context.Context, name string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	s := &span{owner: t.owner, name: name, remote: trace.SpanContextFromContext(ctx), attrs: map[attribute.Key]attribute.Value{}}
	t.owner.mu.Lock()
	defer t.owner.mu.Unlock()
	t.owner.spans = append(t.owner.spans, s)

	return trace.ContextWithSpan(ctx, s), s
}

func (s *span) IsRecording() bool { return true }

func (s *span) SetAttributes(kv ...attribute.KeyValue) {
	for _, a := range kv {
		s.attrs[a.Key] = a.Value
	}
}
func (s *span) SetStatus(c codes.Code, _ string) { s.status = c }

func (s *span) End(...trace.SpanEndOption) {
	s.owner.mu.Lock()
	defer s.owner.mu.Unlock()
	s.ended = true
}

type histogram struct {
	metricnoop.Float64Histogram

	owner *recorder
}

func (h histogram) Record(_ context.Context, value float64, options ...metric.RecordOption) {
	h.owner.mu.Lock()
	defer h.owner.mu.Unlock()
	if value >= 0 {
		h.owner.records = append(h.owner.records, metric.NewRecordConfig(options).Attributes())
	}
}

type gauge struct {
	metricnoop.Int64UpDownCounter

	owner *recorder
}

func (g gauge) Add(_ context.Context, n int64, _ ...metric.AddOption) {
	g.owner.mu.Lock()
	defer g.owner.mu.Unlock()
	g.owner.active += n
	g.owner.peak = max(g.owner.peak, g.owner.active)
}

type counter struct {
	metricnoop.Int64Counter

	owner *recorder
}

func (c counter) Add(_ context.Context, n int64, _ ...metric.AddOption) {
	c.owner.mu.Lock()
	defer c.owner.mu.Unlock()
	c.owner.refused += n
}

func (r *recorder) Float64Histogram(string, ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return histogram{owner: r}, nil
}

func (r *recorder) Int64UpDownCounter(string, ...metric.Int64UpDownCounterOption) (metric.Int64UpDownCounter, error) {
	return gauge{owner: r}, nil
}

func (r *recorder) Int64Counter(string, ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	return counter{owner: r}, nil
}

// measured lists "method route status" of all measurements.
func (r *recorder) measured() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, set := range r.records {
		method, _ := set.Value("http.request.method")
		route, _ := set.Value("http.route")
		status, _ := set.Value("http.response.status_code")
		out = append(out, method.AsString()+" "+route.AsString()+" "+status.Emit())
	}

	return out
}

func observed(t *testing.T) (*fixture, *recorder) {
	t.Helper()
	r := &recorder{}
	f := start(t, func(c *server.Config, d *server.Deps) {
		d.Tracer, d.Meter = tracer{owner: r}, r
		c.Limits.MaxInFlight = 2
	})

	return f, r
}

func TestObserve_EveryRequestByItsRoute(t *testing.T) {
	t.Parallel()
	f, r := observed(t)
	f.service("reader", "GET", "/things/canary-id?limit=canary-query")
	f.service("writer", "DELETE", "/things/canary-id")
	f.service("writer", "DELETE", "/things/canary-id")
	f.service("canary-token", "GET", "/things/canary-id")
	f.service("scopeless", "POST", "/things/x/use", `body:{"input":"canary-body"}`)
	f.service("reader", "GET", "/canary-path")
	f.service("reader", "CANARYMETHOD", "/things")
	f.send(f.request("PUT", f.PublicURL()+"/canary-path"))
	f.send(f.request("GET", f.PublicURL()+"/browser/api/v1/things"))
	f.service("reader", "GET", "/act/panic")
	want := []string{
		"GET /service/api/v1/things/{id} 400", "DELETE /service/api/v1/things/{id} 200", "DELETE /service/api/v1/things/{id} 200",
		"GET /service/api/v1/things/{id} 401", "POST /service/api/v1/things/{id}/use 200", "GET /service/* 404", "_OTHER /service/* 405", "PUT /* 404",
		"GET /browser/api/v1/things 401", "GET /service/api/v1/act/{how} 500",
	}
	assert.Equal(t, want, r.measured())
	assert.Zero(t, r.active)
	assert.EqualValues(t, 1, r.peak)

	r.mu.Lock()
	require.Len(t, r.spans, len(want))
	for i, s := range r.spans {
		assert.True(t, s.ended)
		assert.Equal(t, want[i], s.name+" "+s.attrs["http.response.status_code"].Emit())
		assert.NotEmpty(t, s.attrs["cryptoutil.request_id"].AsString())
	}
	assert.Equal(t, "acme", r.spans[0].attrs["cryptoutil.tenant"].AsString())
	assert.Equal(t, codes.Unset, r.spans[0].status)
	assert.Equal(t, codes.Error, r.spans[9].status)
	r.mu.Unlock()

	lines := f.log.lines(t, "request")
	require.Len(t, lines, len(want))
	for i, line := range lines {
		assert.Equal(t, "INFO", line["level"])
		fields := strings.Fields(want[i])
		assert.Equal(t, fields[0], line["method"])
		assert.Equal(t, fields[1], line["route"])
		assert.Equal(t, fields[2], http.StatusText(0)+itoa(line["status"]))
		assert.Len(t, line["request_id"], 36)
		assert.GreaterOrEqual(t, line["duration_ms"], 0.0)
	}
	assert.Equal(t, "acme", lines[1]["tenant"])
	assert.Equal(t, "w1", lines[1]["principal"])
	assert.Equal(t, "unauthenticated", lines[3]["code"])
	assert.NotContains(t, lines[3], "principal")
	assert.Positive(t, lines[4]["bytes"])
	for line := range strings.Lines(f.log.String()) {
		if !strings.Contains(line, "panic in a request") {
			assert.NotContains(t, strings.ToLower(line), "canary")
		}
	}
}

func itoa(v any) string {
	return attribute.IntValue(int(v.(float64))).Emit()
}

func TestObserve_RefusalsForLackOfRoomAreCounted(t *testing.T) {
	t.Parallel()
	f, r := observed(t)
	done := make(chan answer, 2)
	for range 2 {
		go func() { done <- f.service("reader", "GET", "/act/block") }()
	}
	<-f.entered
	<-f.entered
	assert.Equal(t, "overloaded", f.service("reader", "GET", "/things").problem(t).Code)
	close(f.release)
	<-done
	<-done
	assert.EqualValues(t, 1, r.refused)
	assert.EqualValues(t, 2, r.peak)
	assert.Len(t, r.measured(), 2, "a refusal costs no span and no line in the log")
	assert.Len(t, f.log.lines(t, "request"), 2)
}

func TestObserve_ContinuesATrace(t *testing.T) {
	t.Parallel()
	f, r := observed(t)
	f.service("reader", "GET", "/things", "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.service("reader", "GET", "/things", "traceparent", "nonsense")
	r.mu.Lock()
	defer r.mu.Unlock()
	assert.Equal(t, "0af7651916cd43dd8448eb211c80319c", r.spans[0].remote.TraceID().String())
	assert.False(t, r.spans[1].remote.IsValid())
}

func TestObserve_ASenderWhoHasGoneIsNoFault(t *testing.T) {
	t.Parallel()
	f, r := observed(t)
	ctx, leave := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		_, err := do(f.client, f.request("GET", f.PublicURL()+"/service/api/v1/act/wait", "Authorization", "Bearer reader").WithContext(ctx))
		gone <- err
	}()
	<-f.entered
	leave()
	require.ErrorIs(t, <-gone, context.Canceled)
	f.client.CloseIdleConnections()
	f.cancel()
	require.NoError(t, <-f.ended, "Run waits for the handler")
	assert.True(t, slices.Contains(r.measured(), "GET /service/api/v1/act/{how} 499"), "%v", r.measured())
	assert.NotContains(t, f.log.String(), `"level":"ERROR"`)
}

func TestObserve_InformationalAnswersAreNotTheAnswer(t *testing.T) {
	t.Parallel()
	f, r := observed(t)
	a := f.service("reader", "GET", "/act/hint")
	_, err := io.WriteString(io.Discard, a.body)
	require.NoError(t, err)
	assert.Equal(t, []string{"GET /service/api/v1/act/{how} 202"}, r.measured())
}

// brokenMeter fails at its n-th instrument.
type brokenMeter struct {
	metricnoop.Meter

	n int
}

func (m *brokenMeter) next() error {
	m.n--
	if m.n < 0 {
		return errors.New("no instrument")
	}

	return nil
}

func (m *brokenMeter) Float64Histogram(string, ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return metricnoop.Float64Histogram{}, m.next()
}

func (m *brokenMeter) Int64UpDownCounter(string, ...metric.Int64UpDownCounterOption) (metric.Int64UpDownCounter, error) {
	return metricnoop.Int64UpDownCounter{}, m.next()
}

func (m *brokenMeter) Int64Counter(string, ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	return metricnoop.Int64Counter{}, m.next()
}

func TestObserve_NeedsItsInstruments(t *testing.T) {
	t.Parallel()
	for n := range 4 {
		_, config, deps := prepare(t)
		deps.Meter = &brokenMeter{n: n}
		_, err := server.New(config, deps)
		assert.Equal(t, n < 3, err != nil)
	}
}

func TestObserve_QuietWhereNobodyReadsIt(t *testing.T) {
	t.Parallel()
	f := start(t, func(_ *server.Config, d *server.Deps) {
		d.Log = slog.New(slog.NewJSONHandler(&logBuffer{}, &slog.HandlerOptions{Level: slog.LevelError}))
	})
	assert.Equal(t, http.StatusOK, f.service("reader", "GET", "/things").StatusCode)
}
