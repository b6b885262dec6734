package telemetry

import (
	"context"
	"errors"

	sdklog "go.opentelemetry.io/otel/sdk/log"
)

// logProcessor queues log records for the collector.
type logProcessor struct {
	queue    *queue[sdklog.Record]
	exporter sdklog.Exporter
}

func newLogProcessor(exporter sdklog.Exporter, size int, l *losses) *logProcessor {
	return &logProcessor{queue: newQueue(size, exporter.Export, &l.logs, l), exporter: exporter}
}

// Enabled is true: the level is decided before.
func (*logProcessor) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }

// OnEmit queues a copy of the record.
func (p *logProcessor) OnEmit(_ context.Context, record *sdklog.Record) error {
	p.queue.add(record.Clone())
	return nil
}

// ForceFlush exports what is queued.
func (p *logProcessor) ForceFlush(ctx context.Context) error { return p.queue.forceFlush(ctx) }

// Shutdown exports what is queued and closes the exporter.
func (p *logProcessor) Shutdown(ctx context.Context) error {
	return closing(ctx, p.queue.shutdown, p.exporter.Shutdown)
}

// closing ends a queue, then its exporter.
func closing(ctx context.Context, queue, exporter func(context.Context) error) error {
	return errors.Join(queue(ctx), exporter(ctx))
}
