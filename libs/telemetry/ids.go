package telemetry

import (
	"context"
	"crypto/rand"
	"sync"

	"go.opentelemetry.io/otel/trace"
)

// idReserve is how many bytes of randomness are fetched at once. The generator of random bits works for at least as long for eight bytes as
// for a hundred times as many, and every request has a trace id, whether its trace is sent or not.
const idReserve = 1 << 10

// idGenerator draws trace and span ids (W3C Trace Context section 3.2.2) from crypto/rand; the SDK's own uses math/rand. Ids are no secrets, so
// their bytes may wait in memory.
type idGenerator struct {
	reserves sync.Pool // of *reserve
}

type reserve struct {
	bytes [idReserve]byte
	next  int
}

func newIDGenerator() *idGenerator {
	return &idGenerator{reserves: sync.Pool{New: func() any { return &reserve{next: idReserve} }}}
}

// NewIDs returns the ids of a new trace and its first span.
func (g *idGenerator) NewIDs(ctx context.Context) (id trace.TraceID, span trace.SpanID) {
	for !id.IsValid() {
		g.draw(id[:])
	}
	return id, g.NewSpanID(ctx, id)
}

// NewSpanID returns the id of a new span in a trace.
func (g *idGenerator) NewSpanID(context.Context, trace.TraceID) (span trace.SpanID) {
	for !span.IsValid() {
		g.draw(span[:])
	}
	return span
}

// draw fills id with bytes that no other id gets.
func (g *idGenerator) draw(id []byte) {
	r := g.reserves.Get().(*reserve) //nolint:forcetypeassert // nothing else is in the pool
	if r.next+len(id) > idReserve {
		_, _ = rand.Read(r.bytes[:]) // ends the process instead of failing
		r.next = 0
	}
	r.next += copy(id, r.bytes[r.next:])
	g.reserves.Put(r)
}
