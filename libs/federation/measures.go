package federation

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

// measures are one peer's instruments.
type measures struct {
	meter    metric.Meter
	peer     attribute.KeyValue
	duration metric.Float64Histogram
	refusals metric.Int64Counter
}

func newMeasures(meter metric.Meter, peer string) (*measures, error) {
	if meter == nil {
		meter = noop.Meter{}
	}
	m := &measures{meter: meter, peer: attribute.String("peer", peer)}
	var err error
	if m.duration, err = meter.Float64Histogram("cryptoutil.federation.call.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of one attempt to call a peer")); err != nil {
		return nil, err
	}
	m.refusals, err = meter.Int64Counter("cryptoutil.federation.breaker.refused", metric.WithUnit("{call}"),
		metric.WithDescription("Calls that failed fast because the circuit breaker was open"))
	return m, err
}

// watch exports the peer's state: 1 when it is up, and the breaker's: 0 closed, 1 half open, 2 open.
func (m *measures) watch(p *Peer) error {
	up, err := m.meter.Int64ObservableGauge("cryptoutil.federation.peer.up", metric.WithDescription("Whether the peer is there"))
	if err != nil {
		return err
	}
	state, err := m.meter.Int64ObservableGauge("cryptoutil.federation.breaker.state",
		metric.WithDescription("State of the circuit breaker: 0 closed, 1 half open, 2 open"))
	if err != nil {
		return err
	}
	_, err = m.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		present := int64(0)
		if p.Up() {
			present = 1
		}
		o.ObserveInt64(up, present, metric.WithAttributes(m.peer))
		o.ObserveInt64(state, map[string]int64{BreakerClosed: 0, BreakerHalfOpen: 1, BreakerOpen: 2}[p.breaker.current()], metric.WithAttributes(m.peer))
		return nil
	}, up, state)
	return err
}

func (m *measures) called(ctx context.Context, o outcome, took time.Duration) {
	text := map[outcome]string{succeeded: "succeeded", failed: "failed", givenUp: "given_up"}[o]
	m.duration.Record(ctx, took.Seconds(), metric.WithAttributes(m.peer, attribute.String("outcome", text)))
}

func (m *measures) refused(ctx context.Context) {
	m.refusals.Add(ctx, 1, metric.WithAttributes(m.peer))
}
