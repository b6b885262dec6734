package telemetry

import (
	"context"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// newReader collects and exports the metrics regularly.
func newReader(exporter sdkmetric.Exporter, interval time.Duration, l *losses) sdkmetric.Reader {
	return sdkmetric.NewPeriodicReader(metricExporter{exporter, l}, sdkmetric.WithInterval(interval), sdkmetric.WithTimeout(requestLimit))
}

// metricExporter counts failed exports instead of handing them to the SDK, which would print them.
type metricExporter struct {
	sdkmetric.Exporter
	losses *losses
}

// Export sends one collection.
func (e metricExporter) Export(ctx context.Context, data *metricdata.ResourceMetrics) error {
	if err := e.Exporter.Export(ctx, data); err != nil {
		e.losses.metrics.Add(1)
		e.losses.failed(err)
	}
	return nil
}
