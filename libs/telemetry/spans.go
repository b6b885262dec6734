package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"
)

// spanProcessor queues ended spans.
type spanProcessor struct {
	queue    *queue[sdktrace.ReadOnlySpan]
	exporter sdktrace.SpanExporter
}

func newSpanProcessor(exporter sdktrace.SpanExporter, size int, l *losses) *spanProcessor {
	export := func(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
		for i, span := range spans {
			spans[i] = redactedSpan{span}
		}
		return exporter.ExportSpans(ctx, spans)
	}
	return &spanProcessor{queue: newQueue(size, export, &l.spans, l), exporter: exporter}
}

// OnStart does nothing.
func (*spanProcessor) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd queues a sampled span.
func (p *spanProcessor) OnEnd(span sdktrace.ReadOnlySpan) {
	if span.SpanContext().IsSampled() {
		p.queue.add(span)
	}
}

// ForceFlush exports what is queued.
func (p *spanProcessor) ForceFlush(ctx context.Context) error { return p.queue.forceFlush(ctx) }

// Shutdown exports what is queued and closes the exporter.
func (p *spanProcessor) Shutdown(ctx context.Context) error {
	return closing(ctx, p.queue.shutdown, p.exporter.Shutdown)
}

// redactedSpan shows a span's texts without what URLs hide.
type redactedSpan struct{ sdktrace.ReadOnlySpan }

// Name is the span's name.
func (s redactedSpan) Name() string { return RedactText(s.ReadOnlySpan.Name()) }

// Attributes are the span's attributes.
func (s redactedSpan) Attributes() []attribute.KeyValue {
	return redactedAttributes(s.ReadOnlySpan.Attributes())
}

// Events are the span's events, recorded errors among them.
func (s redactedSpan) Events() []sdktrace.Event {
	events := append([]sdktrace.Event(nil), s.ReadOnlySpan.Events()...)
	for i := range events {
		events[i].Attributes = redactedAttributes(events[i].Attributes)
	}
	return events
}

// Status is the span's status.
func (s redactedSpan) Status() sdktrace.Status {
	status := s.ReadOnlySpan.Status()
	status.Description = RedactText(status.Description)
	return status
}

// redactedAttributes copies attributes with their texts redacted.
func redactedAttributes(attributes []attribute.KeyValue) []attribute.KeyValue {
	clean := make([]attribute.KeyValue, len(attributes))
	for i, a := range attributes {
		switch {
		case a.Key == semconv.URLQueryKey:
			a.Value = attribute.StringValue(redacted)
		case a.Value.Type() == attribute.STRING:
			a.Value = attribute.StringValue(RedactText(a.Value.AsString()))
		case a.Value.Type() == attribute.STRINGSLICE:
			texts := a.Value.AsStringSlice()
			for j := range texts {
				texts[j] = RedactText(texts[j])
			}
			a.Value = attribute.StringSliceValue(texts)
		}
		clean[i] = a
	}
	return clean
}
