package telemetry_test

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/cryptoutil/cryptoutil/libs/telemetry"
)

// output is a log output that several goroutines write.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// lines decodes the JSON lines written so far.
func (o *output) lines(t *testing.T) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for text := range strings.Lines(o.String()) {
		var line map[string]any
		require.NoError(t, json.Unmarshal([]byte(text), &line), text)
		lines = append(lines, line)
	}
	return lines
}

// start starts telemetry that the test shuts down, if it has not itself, without waiting.
func start(t *testing.T, config telemetry.Config) (*telemetry.Telemetry, *output) {
	t.Helper()
	out := &output{}
	tel, err := telemetry.Start(t.Context(), config, telemetry.Resource{Service: "kms-server", Version: "1.2.3", Instance: "a"}, out)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = tel.Shutdown(t.Context()) // the context has ended, which it says
	})
	return tel, out
}

func TestStart_WithoutCollectorGivesTraceIDsToLogs(t *testing.T) {
	t.Parallel()
	tel, out := start(t, telemetry.Defaults())
	ctx, span := tel.Tracer("test").Start(t.Context(), "operation")
	inner, child := tel.Tracer("test").Start(ctx, "inner")
	tel.Log().InfoContext(inner, "inside", "key", 1)
	child.End()
	span.End()
	tel.Log().Info("outside")

	require.True(t, span.SpanContext().IsValid())
	assert.True(t, span.SpanContext().IsSampled())
	lines := out.lines(t)
	require.Len(t, lines, 2)
	assert.Equal(t, "kms-server", lines[0]["service"])
	assert.Equal(t, span.SpanContext().TraceID().String(), lines[0]["trace_id"])
	assert.Equal(t, child.SpanContext().SpanID().String(), lines[0]["span_id"])
	assert.NotContains(t, lines[1], "trace_id")
	require.NoError(t, tel.Flush(t.Context()))
	require.NoError(t, tel.Shutdown(t.Context()))
	assert.Zero(t, tel.Losses())
	tel.Log().Info("still there")
	assert.Contains(t, out.String(), "still there")
}

func TestStart_SamplesNewTracesByRatioAndFollowsOthers(t *testing.T) {
	t.Parallel()
	config := telemetry.Defaults()
	config.OTLP.SampleRatio = 0.5
	tel, _ := start(t, config)
	tracer := tel.Tracer("test")
	sampled := 0
	for range 1000 {
		_, span := tracer.Start(t.Context(), "operation")
		require.True(t, span.SpanContext().IsValid())
		if span.SpanContext().IsSampled() {
			sampled++
		}
		span.End()
	}
	assert.InDelta(t, 500, sampled, 150) // more than nine standard deviations

	for _, flags := range []trace.TraceFlags{0, trace.FlagsSampled} {
		parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: flags, Remote: true})
		_, span := tracer.Start(trace.ContextWithRemoteSpanContext(t.Context(), parent), "operation")
		assert.Equal(t, parent.TraceID(), span.SpanContext().TraceID())
		assert.Equal(t, flags == trace.FlagsSampled, span.SpanContext().IsSampled())
		span.End()
	}
}

func TestSetLevel_ChangesWhatIsLogged(t *testing.T) {
	t.Parallel()
	tel, out := start(t, telemetry.Config{LogLevel: "warn"})
	log := tel.Log().With("a", 1).WithGroup("g")
	log.Info("hidden one")
	require.NoError(t, tel.SetLevel("debug"))
	log.Debug("shown")
	require.EqualError(t, tel.SetLevel("loud"), `set log level: "loud" is not one of debug, info, warn, error`)
	require.NoError(t, tel.SetLevel("error"))
	log.Warn("hidden two")
	lines := out.lines(t)
	require.Len(t, lines, 1)
	assert.Equal(t, "shown", lines[0]["msg"])
	assert.Equal(t, "DEBUG", lines[0]["level"])
}

func TestLog_KeepsTraceIDsOutsideOfGroups(t *testing.T) {
	t.Parallel()
	tel, out := start(t, telemetry.Defaults())
	ctx, span := tel.Tracer("test").Start(t.Context(), "operation")
	defer span.End()
	base := tel.Log().With("top", 1).WithGroup("outer").With("one", 1)
	base.WithGroup("inner").With("two", 2).InfoContext(ctx, "message", "three", 3)
	base.InfoContext(ctx, "message", "other", true)
	base.WithGroup("empty").InfoContext(ctx, "message")
	lines := out.lines(t)
	for _, line := range lines {
		assert.Equal(t, span.SpanContext().TraceID().String(), line["trace_id"])
		assert.InDelta(t, 1, line["top"], 0)
	}
	assert.Equal(t, map[string]any{"one": 1.0, "inner": map[string]any{"two": 2.0, "three": 3.0}}, lines[0]["outer"])
	assert.Equal(t, map[string]any{"one": 1.0, "other": true}, lines[1]["outer"])
	assert.Equal(t, map[string]any{"one": 1.0}, lines[2]["outer"])
}

func TestLog_CanBeText(t *testing.T) {
	t.Parallel()
	tel, out := start(t, telemetry.Config{LogFormat: "text"})
	ctx, span := tel.Tracer("test").Start(t.Context(), "operation")
	defer span.End()
	tel.Log().InfoContext(ctx, "message", "key", "value")
	assert.Contains(t, out.String(), `msg=message service=kms-server trace_id=`+span.SpanContext().TraceID().String())
	assert.Contains(t, out.String(), `key=value`)
}

func TestConfig_NamesEveryFault(t *testing.T) {
	t.Parallel()
	require.NoError(t, telemetry.Config{}.Validate())
	require.NoError(t, telemetry.Defaults().Validate())
	err := telemetry.Config{LogLevel: "loud", LogFormat: "xml", OTLP: telemetry.OTLP{
		Endpoint: "ftp://host", SampleRatio: 1.5, QueueSize: -1, MetricInterval: time.Millisecond,
	}}.Validate()
	require.EqualError(t, err, `log_level: "loud" is not one of debug, info, warn, error
log_format: "xml" is not one of json, text
otlp.endpoint: has the scheme "ftp"; write http(s)://host:4318 or grpc(s)://host:4317
otlp.sample_ratio: 1.5 is not between 0 and 1
otlp.queue_size: -1 is not between 1 and 1048576
otlp.metric_interval: 1ms is shorter than 100ms`)
	var one *telemetry.KeyError
	require.ErrorAs(t, err, &one)
	assert.Equal(t, "log_level", one.KeyPath())
	assert.Equal(t, `"loud" is not one of debug, info, warn, error`, one.KeyMessage())
}

func TestConfig_RefusesEndpointsWithoutShowingThem(t *testing.T) {
	t.Parallel()
	for endpoint, ok := range map[string]bool{
		"http://collector": true, "https://collector:4318/": true, "https://collector/prefix": true, "grpc://collector": true, "grpcs://[::1]:4317": true,
		"collector:4317": false, "http://": false, "http://user:canary@collector": false, "http://collector?canary": false, "grpc://collector/canary": false,
		"http://collector/#canary": false, "://canary": false, "http:canary": false,
	} {
		err := telemetry.Config{OTLP: telemetry.OTLP{Endpoint: endpoint}}.Validate()
		if ok {
			require.NoError(t, err, endpoint)
			continue
		}
		require.Error(t, err, endpoint)
		assert.NotContains(t, err.Error(), "canary")
	}
}

func TestStart_RefusesWhatItCannotUse(t *testing.T) {
	t.Parallel()
	service := telemetry.Resource{Service: "s"}
	_, err := telemetry.Start(t.Context(), telemetry.Config{}, telemetry.Resource{}, &output{})
	require.Error(t, err)
	_, err = telemetry.Start(t.Context(), telemetry.Config{}, service, nil)
	require.Error(t, err)
	_, err = telemetry.Start(t.Context(), telemetry.Config{LogLevel: "x"}, service, &output{})
	require.ErrorContains(t, err, "start telemetry: log_level")
	for _, scheme := range []string{"https", "grpcs"} {
		_, err = telemetry.Start(t.Context(), telemetry.Config{OTLP: telemetry.OTLP{Endpoint: scheme + "://x", RootCertificate: "/dev/null"}}, service, &output{})
		require.ErrorContains(t, err, "holds no certificate")
	}
	_, err = telemetry.Start(t.Context(), telemetry.Config{OTLP: telemetry.OTLP{Endpoint: "https://x", RootCertificate: "/absent"}}, service, &output{})
	require.ErrorContains(t, err, "no such file")
}

func BenchmarkRequest_WithoutCollector(b *testing.B) {
	tel, err := telemetry.Start(b.Context(), telemetry.Defaults(), telemetry.Resource{Service: "kms-server"}, io.Discard)
	require.NoError(b, err)
	tracer, log := tel.Tracer("bench"), tel.Log()
	for b.Loop() {
		ctx, span := tracer.Start(b.Context(), "GET /service/api/v1/elastic-keys")
		log.InfoContext(ctx, "request", "method", "GET", "status", 200, "duration_ms", 1.5)
		span.End()
	}
}
