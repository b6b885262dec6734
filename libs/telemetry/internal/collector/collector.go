// Package collector is an OTLP collector in memory, over HTTP and gRPC, for tests. Its main type is [Collector].
package collector

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"sync"

	logsapi "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	metricsapi "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	traceapi "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // what the exporters compress with
	"google.golang.org/protobuf/proto"
)

// Collector keeps what it receives.
type Collector struct {
	mu       sync.Mutex // guards all fields
	spans    []*trace.Span
	logs     []*logs.LogRecord
	metrics  []*metrics.Metric
	services map[string]bool
	raw      []byte
}

// New is an empty Collector.
func New() *Collector { return &Collector{services: map[string]bool{}} }

// Spans are the spans received.
func (c *Collector) Spans() []*trace.Span { return read(c, &c.spans) }

// Logs are the log records received.
func (c *Collector) Logs() []*logs.LogRecord { return read(c, &c.logs) }

// Metrics are the metrics received, every export anew.
func (c *Collector) Metrics() []*metrics.Metric { return read(c, &c.metrics) }

// Raw is everything received, as it was encoded, for searching.
func (c *Collector) Raw() string { return string(read(c, &c.raw)) }

// Service says whether something came from that service.
func (c *Collector) Service(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.services[name]
}

func read[T any](c *Collector, list *[]T) []T {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]T(nil), *list...)
}

// ServeHTTP is OTLP over HTTP.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		var err error
		if body, err = gzip.NewReader(r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	content, err := io.ReadAll(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := c.decode(r.URL.Path, content); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func (c *Collector) decode(path string, content []byte) error {
	switch path {
	case "/v1/traces":
		request := new(traceapi.ExportTraceServiceRequest)
		defer c.addTraces(request)
		return proto.Unmarshal(content, request)
	case "/v1/metrics":
		request := new(metricsapi.ExportMetricsServiceRequest)
		defer c.addMetrics(request)
		return proto.Unmarshal(content, request)
	default:
		request := new(logsapi.ExportLogsServiceRequest)
		defer c.addLogs(request)
		return proto.Unmarshal(content, request)
	}
}

func (c *Collector) addTraces(request *traceapi.ExportTraceServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range request.GetResourceSpans() {
		c.addService(resource.GetResource().GetAttributes())
		for _, scope := range resource.GetScopeSpans() {
			c.spans = append(c.spans, scope.GetSpans()...)
		}
	}
	c.addRaw(request)
}

func (c *Collector) addMetrics(request *metricsapi.ExportMetricsServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range request.GetResourceMetrics() {
		c.addService(resource.GetResource().GetAttributes())
		for _, scope := range resource.GetScopeMetrics() {
			c.metrics = append(c.metrics, scope.GetMetrics()...)
		}
	}
	c.addRaw(request)
}

func (c *Collector) addLogs(request *logsapi.ExportLogsServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range request.GetResourceLogs() {
		c.addService(resource.GetResource().GetAttributes())
		for _, scope := range resource.GetScopeLogs() {
			c.logs = append(c.logs, scope.GetLogRecords()...)
		}
	}
	c.addRaw(request)
}

// addService is called with the lock held.
func (c *Collector) addService(attributes []*common.KeyValue) {
	for _, a := range attributes {
		if a.GetKey() == "service.name" {
			c.services[a.GetValue().GetStringValue()] = true
		}
	}
}

// addRaw is called with the lock held.
func (c *Collector) addRaw(message proto.Message) {
	c.raw, _ = proto.MarshalOptions{}.MarshalAppend(c.raw, message) // what was just decoded can be encoded
}

// Register serves OTLP over gRPC.
func (c *Collector) Register(server *grpc.Server) {
	traceapi.RegisterTraceServiceServer(server, traceService{c: c})
	metricsapi.RegisterMetricsServiceServer(server, metricsService{c: c})
	logsapi.RegisterLogsServiceServer(server, logsService{c: c})
}

type traceService struct {
	traceapi.UnimplementedTraceServiceServer
	c *Collector
}

// Export receives spans.
func (s traceService) Export(_ context.Context, r *traceapi.ExportTraceServiceRequest) (*traceapi.ExportTraceServiceResponse, error) {
	s.c.addTraces(r)
	return &traceapi.ExportTraceServiceResponse{}, nil
}

type metricsService struct {
	metricsapi.UnimplementedMetricsServiceServer
	c *Collector
}

// Export receives metrics.
func (s metricsService) Export(_ context.Context, r *metricsapi.ExportMetricsServiceRequest) (*metricsapi.ExportMetricsServiceResponse, error) {
	s.c.addMetrics(r)
	return &metricsapi.ExportMetricsServiceResponse{}, nil
}

type logsService struct {
	logsapi.UnimplementedLogsServiceServer
	c *Collector
}

// Export receives log records.
func (s logsService) Export(_ context.Context, r *logsapi.ExportLogsServiceRequest) (*logsapi.ExportLogsServiceResponse, error) {
	s.c.addLogs(r)
	return &logsapi.ExportLogsServiceResponse{}, nil
}
