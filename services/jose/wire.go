package jose

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/database/rewrap"
	"github.com/cryptoutil/cryptoutil/libs/federation"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/service"

	"github.com/cryptoutil/cryptoutil/services/jose/internal/authority"
	"github.com/cryptoutil/cryptoutil/services/jose/internal/httpapi"
	"github.com/cryptoutil/cryptoutil/services/jose/internal/kmspeer"
	"github.com/cryptoutil/cryptoutil/services/jose/internal/sqlstore"
)

// How often something is done that nobody waits for.
const (
	expireInterval = time.Minute // opened keys that are too old are forgotten
	settleInterval = time.Minute // what has become due is written down
)

// build makes the service on the platform. now is the clock of keys and tokens.
func build(cfg Config, p *service.Platform, now func() time.Time) (service.Domain, error) {
	uses, err := p.Telemetry.Meter(serviceName).Int64Counter("cryptoutil.crypto.operations", metric.WithUnit("{operation}"),
		metric.WithDescription("Uses of private and symmetric keys"))
	if err != nil {
		return service.Domain{}, err
	}
	store := sqlstore.New(p.DB)
	remote, err := openRemoteKeys(cfg, p)
	if err != nil {
		return service.Domain{}, err
	}
	var custodian authority.Custodian
	peer, kept := p.Federation.Peer(federation.KMS)
	if kept {
		custodian = kmspeer.New(peer)
	}
	keys, err := authority.New(authority.Config{
		Store: sqlstore.NewFacts(store, p.Changes, cfg.Keys.Cache), Barrier: p.Barrier, Generator: p.Generator, Events: events{p},
		Grants: grants{p.Access}, Remote: remote, Custodian: custodian, Now: now, CacheKeys: cfg.Keys.Cache, SetLifetime: cfg.Keys.SetLifetime,
		Measure: func(ctx context.Context, op authority.Operation, algorithm string) {
			uses.Add(ctx, 1, metric.WithAttributeSet(attribute.NewSet(
				attribute.String("operation", string(op)), attribute.String("algorithm", algorithm),
			)))
		},
	})
	if err != nil {
		return service.Domain{}, err
	}
	operations, err := httpapi.New(keys, p.Cursors, p.Use)
	if err != nil {
		return service.Domain{}, err
	}
	tasks := []func(context.Context){
		func(ctx context.Context) { expire(ctx, keys) },
		func(ctx context.Context) { maintain(ctx, p, keys) },
		remote.Run, remote.watch,
	}
	if kept {
		tasks = append(tasks, func(ctx context.Context) { followKMS(ctx, p, peer, keys, cfg.Keys.Follow) })
	}
	return service.Domain{
		Mount:     operations.Mount,
		Protocols: []server.Protocol{httpapi.WellKnown(keys)},
		Tasks:     tasks,
		Values:    []rewrap.Source{sqlstore.NewValues(store, p.Tenants)},
		Forget:    keys.Forget,
	}, nil
}

// maintain does on one replica at a time what nobody waits for, until ctx ends.
func maintain(ctx context.Context, p *service.Platform, keys *authority.Authority) {
	err := p.Leases.Every(ctx, "jose-settle", settleInterval, func(ctx context.Context) error { return settle(ctx, p, keys) })
	if err != nil && ctx.Err() == nil {
		p.Log.Error("a task has ended; restart the service", "task", "jose-settle", "error", err)
	}
}

// settle writes down, tenant by tenant, what has become due.
func settle(ctx context.Context, p *service.Platform, keys *authority.Authority) error {
	return eachTenant(ctx, p, func(tenant string) error { return keys.Settle(ctx, tenant) })
}

// eachTenant calls do for one tenant after the other, until it fails.
func eachTenant(ctx context.Context, p *service.Platform, do func(tenant string) error) error {
	const most = 100
	for after := ""; ; {
		tenants, err := p.Tenants(ctx, after, most)
		if err != nil || len(tenants) == 0 {
			return err
		}
		for _, tenant := range tenants {
			if err := do(tenant); err != nil {
				return err
			}
			after = tenant
		}
	}
}

// grants are the platform's grants on single keys.
type grants struct{ access *auth.Access }

// Allowed implements authority.Grants.
func (g grants) Allowed(ctx context.Context, scope string, key authority.Key) (bool, error) {
	caller, ok := server.PrincipalFrom(ctx)
	if !ok {
		return false, nil
	}
	return g.access.Allowed(ctx, caller, scope, authority.ObjectKey, key.ID, key.Name)
}

// events writes changes into the audit trail.
type events struct{ platform *service.Platform }

// Record implements authority.Events.
func (e events) Record(ctx context.Context, event authority.Event) error {
	object := audit.Object{Kind: event.Kind, ID: event.ID, Version: event.Version}
	var fields []audit.Field
	if event.Detail != "" {
		fields = append(fields, audit.Text("algorithm", event.Detail))
	}
	if _, ok := server.PrincipalFrom(ctx); ok {
		return e.platform.Record(ctx, event.Action, object, fields...)
	}
	return e.platform.RecordOwn(ctx, event.Tenant, event.Action, object, fields...)
}

// expire forgets opened keys that are too old until ctx ends.
func expire(ctx context.Context, keys *authority.Authority) {
	ticker := time.NewTicker(expireInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			keys.Expire()
		}
	}
}
