package telemetry

import (
	"context"
	"crypto/rand"

	"go.opentelemetry.io/otel/trace"
)

// idGenerator draws trace and span ids (W3C Trace Context section 3.2.2) from crypto/rand; the SDK's own uses math/rand.
type idGenerator struct{}

// NewIDs returns the ids of a new trace and its first span.
func (g idGenerator) NewIDs(ctx context.Context) (id trace.TraceID, span trace.SpanID) {
	for !id.IsValid() {
		_, _ = rand.Read(id[:]) // never fails
	}
	return id, g.NewSpanID(ctx, id)
}

// NewSpanID returns the id of a new span in a trace.
func (idGenerator) NewSpanID(context.Context, trace.TraceID) (span trace.SpanID) {
	for !span.IsValid() {
		_, _ = rand.Read(span[:]) // never fails
	}
	return span
}
