package service

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// gauges are what the platform shows about itself whenever metrics are collected.
type gauges struct {
	db        *database.DB
	generator *keygen.Pool
	tls       []*tlsconfig.Material
	fresh     func() error
	sealed    func() bool
	now       func() time.Time
}

// register makes the instruments.
func (g gauges) register(meter metric.Meter) error {
	made := map[string]metric.Int64ObservableGauge{}
	var all []metric.Observable
	for name, about := range map[string][2]string{
		"cryptoutil.database.connections":      {"{connection}", "Connections of a pool by state: idle or used"},
		"cryptoutil.database.connections.max":  {"{connection}", "Connections that a pool may have"},
		"cryptoutil.database.waits":            {"{wait}", "How often somebody waited for a connection"},
		"cryptoutil.keygen.depth":              {"{key}", "Generated keys that wait to be taken"},
		"cryptoutil.barrier.sealed":            {"1", "1 while the barrier is sealed"},
		"cryptoutil.changes.stale":             {"1", "1 while this replica does not see what others change"},
		"cryptoutil.tls.certificate.remaining": {"s", "Seconds until a certificate expires"},
	} {
		gauge, err := meter.Int64ObservableGauge(name, metric.WithUnit(about[0]), metric.WithDescription(about[1]))
		if err != nil {
			return fmt.Errorf("make gauge %s: %w", name, err)
		}
		made[name] = gauge
		all = append(all, gauge)
	}
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		observe := func(name string, value int64, attributes ...attribute.KeyValue) {
			o.ObserveInt64(made[name], value, metric.WithAttributes(attributes...))
		}
		for _, pool := range g.db.Stats() {
			name := attribute.String("pool", pool.Pool)
			observe("cryptoutil.database.connections", int64(pool.InUse), name, attribute.String("state", "used"))
			observe("cryptoutil.database.connections", int64(pool.Idle), name, attribute.String("state", "idle"))
			observe("cryptoutil.database.connections.max", int64(pool.MaxOpenConnections), name)
			observe("cryptoutil.database.waits", pool.WaitCount, name)
		}
		for kind, depth := range g.generator.Depths() {
			observe("cryptoutil.keygen.depth", int64(depth), attribute.String("kind", kind))
		}
		observe("cryptoutil.barrier.sealed", oneIf(g.sealed()))
		observe("cryptoutil.changes.stale", oneIf(g.fresh() != nil))
		for _, material := range g.tls {
			for _, e := range material.Expiry() {
				observe("cryptoutil.tls.certificate.remaining", int64(e.NotAfter.Sub(g.now()).Seconds()),
					attribute.String("role", e.Role), attribute.String("subject", e.Subject))
			}
		}
		return nil
	}, all...)
	return err
}

func oneIf(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}
