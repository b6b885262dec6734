package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// reportInterval is the shortest time between two log lines about losses.
const reportInterval = time.Minute

// Losses counts what did not reach the collector.
type Losses struct {
	Spans, LogRecords uint64
	MetricExports     uint64 // an export lost is a gap in time only: counts are cumulative
}

// losses is shared by the queues. Counting happens on the path of requests and takes no lock.
type losses struct {
	spans, logs, metrics atomic.Uint64

	log *slog.Logger // to the program's own output, never to the collector

	mu       sync.Mutex // guards what follows
	reported Losses
	at       time.Time
	cause    error // of the newest failed export
}

func newLosses(log *slog.Logger) *losses { return &losses{log: log} }

func (l *losses) read() Losses {
	return Losses{Spans: l.spans.Load(), LogRecords: l.logs.Load(), MetricExports: l.metrics.Load()}
}

// failed notes why an export failed.
func (l *losses) failed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cause = err
}

// report logs the losses when there are new ones, at most once in an interval unless it is the last time. The queues' workers
// call it, never a request.
func (l *losses) report(last bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.read()
	if now == l.reported || !last && time.Since(l.at) < reportInterval {
		return
	}
	l.reported, l.at = now, time.Now()
	cause := "queue full"
	if l.cause != nil {
		cause = l.cause.Error()
	}
	l.log.Warn("telemetry was lost", "spans", now.Spans, "log_records", now.LogRecords, "metric_exports", now.MetricExports, "error", cause)
}

// observe publishes the counts as a metric.
func (l *losses) observe(meter metric.Meter) error {
	_, err := meter.Int64ObservableCounter("cryptoutil.telemetry.lost",
		metric.WithDescription("Spans, log records and metric exports that did not reach the collector."),
		metric.WithUnit("{item}"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			now := l.read()
			for signal, n := range map[string]uint64{"traces": now.Spans, "logs": now.LogRecords, "metrics": now.MetricExports} {
				o.Observe(int64(n), metric.WithAttributes(attribute.String("signal", signal))) //nolint:gosec // a count of events
			}
			return nil
		}))
	if err != nil {
		return fmt.Errorf("count losses: %w", err)
	}
	return nil
}
