package server

import (
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Attribute names of the OpenTelemetry semantic conventions for HTTP servers.
const (
	attrMethod = "http.request.method"
	attrRoute  = "http.route"
	attrStatus = "http.response.status_code"
)

// durationBounds are the histogram's buckets in seconds, those of the semantic conventions with finer ones below.
var durationBounds = []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}

// measures are the server's instruments: rate, errors and duration come from the one histogram.
type measures struct {
	spanOptions []trace.SpanStartOption

	duration   metric.Float64Histogram
	active     metric.Int64UpDownCounter
	overloaded metric.Int64Counter
}

func (s *Server) loadMeasures() (err error) {
	m := measures{spanOptions: []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer)}}
	meter := s.deps.Meter
	if m.duration, err = meter.Float64Histogram("http.server.request.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of public requests"), metric.WithExplicitBucketBoundaries(durationBounds...)); err != nil {
		return err
	}
	if m.active, err = meter.Int64UpDownCounter("http.server.active_requests", metric.WithUnit("{request}"),
		metric.WithDescription("Public requests in flight")); err != nil {
		return err
	}
	if m.overloaded, err = meter.Int64Counter("cryptoutil.server.overloaded", metric.WithUnit("{request}"),
		metric.WithDescription("Public requests refused because too many were in flight")); err != nil {
		return err
	}
	s.measures = &m

	return nil
}

// observe gives each request a span, a measurement and a line in the log. None of them holds a path, a query or a body: what a route
// was called with is the caller's.
func (s *Server) observe(next handler) handler {
	return func(c *call, w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		// The call is the parent of everything that the handler does, and the span becomes part of it.
		parent := c.Context
		remote := len(r.Header["Traceparent"]) > 0
		if remote {
			parent = propagation.TraceContext{}.Extract(parent, propagation.HeaderCarrier(r.Header))
		}
		ctx, span := s.deps.Tracer.Start(parent, c.spanName(r), s.measures.spanOptions...)
		defer span.End() // after what follows
		c.Context = ctx
		s.measures.active.Add(ctx, 1)
		finished := false
		defer func() {
			status := c.response.status
			switch {
			case status != 0:
			case finished:
				status = http.StatusOK // what net/http sends for a handler that wrote nothing
			default:
				status = http.StatusInternalServerError // what a panic becomes
			}
			s.measures.active.Add(ctx, -1)
			took := time.Since(start)
			s.measured(c, r, status, took)
			describe(span, c, r, status)
			if status >= http.StatusBadRequest || remote || logged(span) {
				s.logAccess(c, r, status, took)
			}
		}()
		next(c, w, r)
		finished = true
	}
}

// logged tells whether a success has its line in the log: the lines go with the traces that are kept, so that one ratio bounds both. Those
// of traces that began elsewhere are all there, because their sampling is somebody else's decision.
func logged(span trace.Span) bool {
	sc := span.SpanContext()

	return !sc.IsValid() || sc.IsSampled()
}

// marks are the prepared options of a route's measurements, by status from 100.
type marks [500]atomic.Pointer[[]metric.RecordOption]

func (s *Server) measured(c *call, r *http.Request, status int, took time.Duration) {
	if c.route == nil {
		s.measures.duration.Record(c.Context, took.Seconds(), markOf(c.method(r), c.pattern(), status)...)

		return
	}
	mark := &c.route.marks[(status-100)%len(c.route.marks)]
	options := mark.Load()
	if options == nil {
		made := markOf(c.route.method, c.route.pattern, status)
		options = &made
		mark.Store(options)
	}
	s.measures.duration.Record(c.Context, took.Seconds(), *options...)
}

func markOf(method, pattern string, status int) []metric.RecordOption {
	return []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(
		attribute.String(attrMethod, method), attribute.String(attrRoute, pattern), attribute.Int(attrStatus, status),
	))}
}

// describe tells the span what the request was and became.
func describe(span trace.Span, c *call, r *http.Request, status int) {
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(
		attribute.String(attrMethod, c.method(r)), attribute.String(attrRoute, c.pattern()), attribute.Int(attrStatus, status),
		attribute.String("cryptoutil.request_id", c.requestID()),
	)
	if c.principal != nil {
		span.SetAttributes(attribute.String("cryptoutil.tenant", c.principal.Tenant))
	}
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, strconv.Itoa(status))
	}
}

func (s *Server) logAccess(c *call, r *http.Request, status int, took time.Duration) {
	if !s.log.Enabled(c.Context, slog.LevelInfo) {
		return
	}
	attrs := make([]slog.Attr, 0, 10)
	attrs = append(attrs,
		slog.String("method", c.method(r)), slog.String("route", c.pattern()), slog.Int("status", status),
		slog.Float64("duration_ms", float64(took.Microseconds())/1000), slog.Int64("bytes", c.response.bytes), slog.String("request_id", c.requestID()),
	)
	if c.code != "" {
		attrs = append(attrs, slog.String("code", c.code))
	}
	if c.principal != nil {
		attrs = append(attrs, slog.String("tenant", c.principal.Tenant), slog.String("principal", c.principal.ID))
	}
	s.log.LogAttrs(c.Context, slog.LevelInfo, "request", attrs...)
}

// pattern is the route for logs and metrics; whatever a stranger asks for is one route.
func (c *call) pattern() string {
	if c.route == nil {
		return unmatchedPattern(c.face.prefix)
	}

	return c.route.pattern
}

// spanName is method and route.
func (c *call) spanName(r *http.Request) string {
	if c.route == nil {
		return c.method(r) + " " + c.pattern()
	}

	return c.route.name
}

// method is the request's method, if it is one.
func (c *call) method(r *http.Request) string {
	if c.route != nil {
		return c.route.method
	}
	if slices.Contains(methods, r.Method) {
		return r.Method
	}

	return "_OTHER"
}

// methods are those of RFC 9110 and RFC 5789 that a resource here could have.
var methods = []string{
	http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPatch, http.MethodPost, http.MethodPut, http.MethodTrace,
}
