package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// requestLimit bounds one request to the collector; what failed for a moment is retried after retryFirst, then up to retryMost apart,
// as long as exportLimit allows.
const (
	requestLimit = 10 * time.Second
	retryFirst   = time.Second
	retryMost    = 10 * time.Second
)

// exporters send the three signals to one collector.
type exporters struct {
	spans   sdktrace.SpanExporter
	metrics sdkmetric.Exporter
	logs    sdklog.Exporter
}

// newExporters returns nil when there is no endpoint. It makes no connection.
func newExporters(ctx context.Context, otlp OTLP) (*exporters, error) {
	t, err := otlp.target()
	if err != nil {
		return nil, fmt.Errorf("read endpoint: %w", err)
	}
	var e exporters
	switch {
	case t.address == "":
		return nil, nil //nolint:nilnil // no collector is no fault
	case t.grpc:
		err = e.overGRPC(ctx, t, otlp)
	default:
		err = e.overHTTP(ctx, t, otlp)
	}
	if err != nil {
		return nil, err
	}
	return &e, nil
}

func (e *exporters) overHTTP(ctx context.Context, t target, otlp OTLP) error {
	config, err := otlp.clientTLS()
	if err != nil {
		return err
	}
	client := &http.Client{
		Timeout: requestLimit,
		Transport: authorized{otlp.Authorization, retryable{&http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 3, IdleConnTimeout: time.Minute,
		}}},
	}
	base := "http://" + t.address + t.path
	if t.secure {
		base = "https://" + t.address + t.path
	}
	var errs [3]error
	e.spans, errs[0] = otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(base+"/v1/traces"), otlptracehttp.WithHTTPClient(client),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression), otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
			Enabled: true, InitialInterval: retryFirst, MaxInterval: retryMost, MaxElapsedTime: exportLimit,
		}))
	e.metrics, errs[1] = otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(base+"/v1/metrics"), otlpmetrichttp.WithHTTPClient(client),
		otlpmetrichttp.WithCompression(otlpmetrichttp.GzipCompression), otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{}))
	e.logs, errs[2] = otlploghttp.New(ctx, otlploghttp.WithEndpointURL(base+"/v1/logs"), otlploghttp.WithHTTPClient(client),
		otlploghttp.WithCompression(otlploghttp.GzipCompression), otlploghttp.WithRetry(otlploghttp.RetryConfig{
			Enabled: true, InitialInterval: retryFirst, MaxInterval: retryMost, MaxElapsedTime: exportLimit,
		}))
	return wrapped(errs)
}

func (e *exporters) overGRPC(ctx context.Context, t target, otlp OTLP) error {
	config, err := otlp.clientTLS()
	if err != nil {
		return err
	}
	traceOptions := []otlptracegrpc.Option{
		otlptracegrpc.WithEndpoint(t.address), otlptracegrpc.WithTimeout(exportLimit), otlptracegrpc.WithCompressor("gzip"),
		otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{
			Enabled: true, InitialInterval: retryFirst, MaxInterval: retryMost, MaxElapsedTime: exportLimit,
		}),
	}
	metricOptions := []otlpmetricgrpc.Option{
		otlpmetricgrpc.WithEndpoint(t.address), otlpmetricgrpc.WithTimeout(requestLimit), otlpmetricgrpc.WithCompressor("gzip"),
		otlpmetricgrpc.WithRetry(otlpmetricgrpc.RetryConfig{}),
	}
	logOptions := []otlploggrpc.Option{
		otlploggrpc.WithEndpoint(t.address), otlploggrpc.WithTimeout(exportLimit), otlploggrpc.WithCompressor("gzip"),
		otlploggrpc.WithRetry(otlploggrpc.RetryConfig{
			Enabled: true, InitialInterval: retryFirst, MaxInterval: retryMost, MaxElapsedTime: exportLimit,
		}),
	}
	if t.secure {
		traceOptions = append(traceOptions, otlptracegrpc.WithTLSCredentials(credentials.NewTLS(config)))
		metricOptions = append(metricOptions, otlpmetricgrpc.WithTLSCredentials(credentials.NewTLS(config)))
		logOptions = append(logOptions, otlploggrpc.WithTLSCredentials(credentials.NewTLS(config)))
	} else {
		traceOptions = append(traceOptions, otlptracegrpc.WithInsecure())
		metricOptions = append(metricOptions, otlpmetricgrpc.WithInsecure())
		logOptions = append(logOptions, otlploggrpc.WithInsecure())
	}
	if otlp.Authorization != nil {
		credential := grpc.WithPerRPCCredentials(authorization(otlp.Authorization))
		traceOptions = append(traceOptions, otlptracegrpc.WithDialOption(credential))
		metricOptions = append(metricOptions, otlpmetricgrpc.WithDialOption(credential))
		logOptions = append(logOptions, otlploggrpc.WithDialOption(credential))
	}
	var errs [3]error
	e.spans, errs[0] = otlptracegrpc.New(ctx, traceOptions...)
	e.metrics, errs[1] = otlpmetricgrpc.New(ctx, metricOptions...)
	e.logs, errs[2] = otlploggrpc.New(ctx, logOptions...)
	return wrapped(errs)
}

// wrapped joins the errors of the three exporters.
func wrapped(errs [3]error) error {
	if err := errors.Join(errs[:]...); err != nil {
		return fmt.Errorf("set up OTLP exporters: %w", err)
	}
	return nil
}

// retryable makes failures to connect look temporary, which the exporters retry, as they do not otherwise over HTTP.
type retryable struct{ transport http.RoundTripper }

// RoundTrip sends the request once.
func (r retryable) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := r.transport.RoundTrip(request)
	if operation, ok := errors.AsType[*net.OpError](err); ok && operation.Op == "dial" {
		return nil, temporaryError{err}
	}
	return response, err
}

// temporaryError is an error that may be gone in a moment.
type temporaryError struct{ error }

// Temporary is what url.Error asks.
func (temporaryError) Temporary() bool { return true }

// Unwrap returns the cause.
func (e temporaryError) Unwrap() error { return e.error }
