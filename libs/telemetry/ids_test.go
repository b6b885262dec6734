package telemetry_test

import (
	"context"
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/telemetry"
)

func TestTracer_NoTwoSpansShareAnID(t *testing.T) {
	t.Parallel()
	all, err := telemetry.Start(t.Context(), telemetry.Defaults(), telemetry.Resource{Service: "ids", Version: "1", Instance: "1"}, io.Discard)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, all.Shutdown(context.WithoutCancel(t.Context()))) })
	tracer := all.Tracer("ids")

	const workers, each = 4, 500
	var mu sync.Mutex
	traces, spans := map[string]bool{}, map[string]bool{}
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for range each {
				ctx, root := tracer.Start(t.Context(), "root")
				_, child := tracer.Start(ctx, "child")
				mu.Lock()
				traces[root.SpanContext().TraceID().String()] = true
				spans[root.SpanContext().SpanID().String()] = true
				spans[child.SpanContext().SpanID().String()] = true
				mu.Unlock()
				assert.True(t, root.SpanContext().IsValid())
				assert.Equal(t, root.SpanContext().TraceID(), child.SpanContext().TraceID())
			}
		})
	}
	group.Wait()
	assert.Len(t, traces, workers*each)
	assert.Len(t, spans, 2*workers*each)
}
