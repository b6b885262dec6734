// Package telemetry sets up a program's logs, traces and metrics: slog with trace ids on standard error, and, when a collector is
// configured, all three over OTLP (OpenTelemetry Protocol 1.x, gRPC or HTTP). Its main type is [Telemetry].
//
// A collector that is slow, away or swallows everything costs nobody anything but the telemetry: spans and log records wait in bounded
// queues, what does not fit or cannot be delivered is dropped and counted ([Telemetry.Losses], the metric cryptoutil.telemetry.lost and at
// most one log line a minute), and neither Start nor a request waits for it.
//
// Logs never hold secrets by accident: values are shown only through their own String, LogValue or marshalling methods, raw bytes by
// length, and URLs without query, fragment and credentials, on standard error and at the collector alike.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"
	"go.opentelemetry.io/otel/trace"
)

// shutdownLimit is how long Shutdown tries to deliver what is queued when its context has no deadline.
const shutdownLimit = 5 * time.Second

// maxValue bounds the length of one attribute's text in spans and exported logs, in bytes.
const maxValue = 4096

// Resource says what program this is.
type Resource struct {
	Service  string // "kms-server"
	Version  string
	Instance string // distinguishes replicas
}

// Telemetry is a program's logger, tracer and meter. Its owner calls Shutdown once, last.
type Telemetry struct {
	log     *slog.Logger
	level   *slog.LevelVar
	traces  *sdktrace.TracerProvider
	metrics *sdkmetric.MeterProvider
	logs    *sdklog.LoggerProvider // nil without a collector
	losses  *losses
	pull    http.Handler // nil unless Config.Pull
}

// Start sets everything up and returns without waiting for the collector. Logs go to logOut, which Start never closes.
func Start(ctx context.Context, config Config, res Resource, logOut io.Writer) (*Telemetry, error) {
	if res.Service == "" || logOut == nil {
		return nil, errors.New("start telemetry: the service's name and the log's output must be given")
	}
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("start telemetry: %w", err)
	}
	config = config.filled()
	exporters, err := newExporters(ctx, config.OTLP)
	if err != nil {
		return nil, fmt.Errorf("start telemetry: %w", err)
	}

	t := &Telemetry{level: new(slog.LevelVar)}
	if err := t.SetLevel(config.LogLevel); err != nil {
		return nil, fmt.Errorf("start telemetry: %w", err)
	}
	local := newLocalHandler(logOut, config.LogFormat, res)
	t.losses = newLosses(slog.New(newHandler(t.level, local)))

	traceOptions := []sdktrace.TracerProviderOption{
		sdktrace.WithResource(attributes(res)),
		sdktrace.WithIDGenerator(newIDGenerator()),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(config.OTLP.SampleRatio))),
		sdktrace.WithRawSpanLimits(spanLimits()),
	}
	metricOptions := []sdkmetric.Option{sdkmetric.WithResource(attributes(res))}
	if config.Pull {
		reader, handler, err := newPull()
		if err != nil {
			return nil, fmt.Errorf("start telemetry: %w", err)
		}
		metricOptions, t.pull = append(metricOptions, sdkmetric.WithReader(reader)), handler
	}
	handlers := []slog.Handler{local}
	if exporters != nil {
		traceOptions = append(traceOptions, sdktrace.WithSpanProcessor(newSpanProcessor(exporters.spans, config.OTLP.QueueSize, t.losses)))
		metricOptions = append(metricOptions, sdkmetric.WithReader(newReader(exporters.metrics, config.OTLP.MetricInterval, t.losses)))
		t.logs = sdklog.NewLoggerProvider(
			sdklog.WithResource(attributes(res)),
			sdklog.WithAttributeValueLengthLimit(maxValue),
			sdklog.WithProcessor(newLogProcessor(exporters.logs, config.OTLP.QueueSize, t.losses)),
		)
		handlers = append(handlers, otelslog.NewHandler(res.Service, otelslog.WithLoggerProvider(t.logs), otelslog.WithVersion(res.Version)))
	}
	t.traces = sdktrace.NewTracerProvider(traceOptions...)
	t.metrics = sdkmetric.NewMeterProvider(metricOptions...)
	t.log = slog.New(newHandler(t.level, slog.NewMultiHandler(handlers...)))
	if err := t.losses.observe(t.metrics.Meter(scope)); err != nil {
		return nil, errors.Join(fmt.Errorf("start telemetry: %w", err), t.Shutdown(ctx))
	}
	return t, nil
}

// scope names the instruments of this package.
const scope = "github.com/cryptoutil/cryptoutil/libs/telemetry"

// Log is the program's logger. Records made with a context carry its trace_id and span_id.
func (t *Telemetry) Log() *slog.Logger { return t.log }

// Tracer makes spans; name is the import path of the package that uses it.
func (t *Telemetry) Tracer(name string) trace.Tracer { return t.traces.Tracer(name) }

// Meter makes instruments; name is the import path of the package that uses it.
func (t *Telemetry) Meter(name string) metric.Meter { return t.metrics.Meter(name) }

// Metrics answers with all metrics in Prometheus' text format; nil unless Config.Pull was set.
func (t *Telemetry) Metrics() http.Handler { return t.pull }

// SetLevel changes the log level: debug, info, warn or error.
func (t *Telemetry) SetLevel(name string) error {
	l, err := level(name)
	if err != nil {
		return fmt.Errorf("set log level: %w", err)
	}
	t.level.Set(l)
	return nil
}

// Losses are the spans, log records and exports of metrics that did not reach the collector since Start.
func (t *Telemetry) Losses() Losses { return t.losses.read() }

// Flush sends what is queued, within ctx.
func (t *Telemetry) Flush(ctx context.Context) error {
	return t.each(ctx, (*sdktrace.TracerProvider).ForceFlush, (*sdkmetric.MeterProvider).ForceFlush, (*sdklog.LoggerProvider).ForceFlush)
}

// Shutdown sends what is queued, until ctx ends, or for five seconds when ctx has no deadline, and drops the rest. Afterwards the log
// still writes to its output; spans and metrics go nowhere.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, shutdownLimit)
		defer cancel()
	}
	err := t.each(ctx, (*sdktrace.TracerProvider).Shutdown, (*sdkmetric.MeterProvider).Shutdown, (*sdklog.LoggerProvider).Shutdown)
	t.losses.report(true)
	return err
}

// each does the same to all three providers at once, so that one that waits does not use up the others' time.
func (t *Telemetry) each(
	ctx context.Context,
	traces func(*sdktrace.TracerProvider, context.Context) error,
	metrics func(*sdkmetric.MeterProvider, context.Context) error,
	logs func(*sdklog.LoggerProvider, context.Context) error,
) error {
	var traceErr, metricErr, logErr error
	var running sync.WaitGroup
	running.Go(func() { traceErr = traces(t.traces, ctx) })
	running.Go(func() { metricErr = metrics(t.metrics, ctx) })
	if t.logs != nil {
		running.Go(func() { logErr = logs(t.logs, ctx) })
	}
	running.Wait()
	return errors.Join(traceErr, metricErr, logErr)
}

// attributes describes the program in the conventions' terms.
func attributes(res Resource) *resource.Resource {
	pairs := []attribute.KeyValue{semconv.ServiceName(res.Service)}
	if res.Version != "" {
		pairs = append(pairs, semconv.ServiceVersion(res.Version))
	}
	if res.Instance != "" {
		pairs = append(pairs, semconv.ServiceInstanceID(res.Instance))
	}
	return resource.NewWithAttributes(semconv.SchemaURL, pairs...)
}

// spanLimits are the SDK's own, not the environment's, with bounded texts.
func spanLimits() sdktrace.SpanLimits {
	return sdktrace.SpanLimits{
		AttributeValueLengthLimit:   maxValue,
		AttributeCountLimit:         sdktrace.DefaultAttributeCountLimit,
		EventCountLimit:             sdktrace.DefaultEventCountLimit,
		LinkCountLimit:              sdktrace.DefaultLinkCountLimit,
		AttributePerEventCountLimit: sdktrace.DefaultAttributePerEventCountLimit,
		AttributePerLinkCountLimit:  sdktrace.DefaultAttributePerLinkCountLimit,
	}
}
