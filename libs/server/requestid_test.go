package server_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/cryptoutil/cryptoutil/libs/server"
)

func TestRequestIDs_AreDifferentUUIDsInTheOrderOfTime(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	var mu sync.Mutex
	seen := map[string]bool{}
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for range 200 {
				before := time.Now().Truncate(time.Millisecond)
				text := f.send(f.request("GET", f.PublicURL()+"/elsewhere")).Header.Get("X-Request-Id")
				id, err := uuid.Parse(text)
				if !assert.NoError(t, err) {
					return
				}
				assert.Equal(t, uuid.Version(7), id.Version())
				assert.Equal(t, uuid.RFC4122, id.Variant())
				made := time.Unix(id.Time().UnixTime())
				assert.False(t, made.Before(before) || made.After(time.Now()), "%s is from %s", text, made)
				mu.Lock()
				assert.False(t, seen[text])
				seen[text] = true
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	assert.Len(t, seen, 800)
}

// sampler begins traces that are kept or not.
type sampler struct {
	tracenoop.Tracer

	keep func() bool
}

func (s sampler) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	config := trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}}
	if s.keep() {
		config.TraceFlags = trace.FlagsSampled
	}

	return s.Tracer.Start(trace.ContextWithSpanContext(ctx, trace.NewSpanContext(config)), name, options...)
}

func TestObserve_SuccessesAreLoggedWithTheirTraces(t *testing.T) {
	t.Parallel()
	keep := false
	f := start(t, func(_ *server.Config, d *server.Deps) { d.Tracer = sampler{keep: func() bool { return keep }} })
	require.Equal(t, http.StatusOK, f.service("reader", "GET", "/things").StatusCode)
	assert.Empty(t, f.log.lines(t, "request"))
	require.Equal(t, http.StatusForbidden, f.service("reader", "DELETE", "/things/x").StatusCode)
	assert.Len(t, f.log.lines(t, "request"), 1, "what went wrong has its line always")
	f.service("reader", "GET", "/things", "traceparent", "00-"+strings.Repeat("1", 32)+"-"+strings.Repeat("1", 16)+"-00")
	assert.Len(t, f.log.lines(t, "request"), 2, "no caller decides that it is not logged")
	keep = true
	f.service("reader", "GET", "/things")
	assert.Len(t, f.log.lines(t, "request"), 3)
}
