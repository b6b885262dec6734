package kms

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/database/rewrap"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/service"
	"github.com/cryptoutil/cryptoutil/libs/telemetry/buildinfo"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/httpapi"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/sqlstore"
)

// build makes the KMS on the platform.
func build(ctx context.Context, cfg Config, p *service.Platform, by clocks) (service.Domain, error) {
	measure, err := measureUses(p.Telemetry.Meter(serviceName))
	if err != nil {
		return service.Domain{}, err
	}
	alarms := newAlarms(p.Log, p.Now)
	store := sqlstore.New(p.DB, p.Barrier, alarms.raise)
	steady, err := by.open(ctx, p, store)
	if err != nil {
		return service.Domain{}, err
	}
	var settings atomic.Pointer[KeysConfig]
	settings.Store(&cfg.Keys)
	keys, err := keyring.New(keyring.Config{
		Store: sqlstore.NewFacts(store, p.Changes, cfg.Keys.Cache), Barrier: p.Barrier, Generator: p.Generator,
		Grants: grants{p.Access}, Book: grantBook{p.GrantsOn(objectKey)}, Approvals: approvals{p.Approvals}, Backups: cfg.Backup.backups(p.Installation()), Events: events{p}, Measure: measure, Now: by.wall, CacheKeys: cfg.Keys.Cache,
		InlineLimit: cfg.Keys.InlineLimit, Waits: func(ctx context.Context, tenant string) (time.Duration, error) {
			return settings.Load().leastWait(ctx, tenant)
		}, Steady: steady, Fence: p.Leases.Fence, Log: p.Log,
		Release: buildinfo.Read().Version,
	})
	if err != nil {
		return service.Domain{}, err
	}
	operations, err := httpapi.New(keys, p.Cursors, p.Use, p.Uses)
	if err != nil {
		return service.Domain{}, err
	}
	sets := httpapi.NewPublicSets(p.Changes, sqlstore.ChangeKey, sqlstore.ChangeAttestation)
	return service.Domain{
		Mount: operations.Mount,
		Protocols: []server.Protocol{
			sets.Protocol("/kms/jwks.json", keys.Published), sets.Protocol("/kms/attestation-keys.json", keys.AttestationKeys),
		},
		Checks: []server.Check{{Name: "clock", Probe: func(context.Context) error { return steady.Check() }}},
		Tasks: []func(context.Context){
			func(ctx context.Context) { expire(ctx, keys) },
			func(ctx context.Context) { flush(ctx, keys, steady, cfg.Keys.FlushInterval, p.Log) },
			keys.GenerateAwaited,
			func(ctx context.Context) { alarms.run(ctx, p) },
			func(ctx context.Context) { generate(ctx, keys, p, cfg.Keys.MaintenanceInterval) },
			func(ctx context.Context) { maintain(ctx, keys, p, cfg.Keys.MaintenanceInterval) },
		},
		Values: []rewrap.Source{
			sqlstore.NewValues(store, p.Tenants), sqlstore.NewJobValues(store, p.Tenants), sqlstore.NewAttestationValues(store, p.Tenants),
		},
		Forget: keys.Forget,
		Reload: service.Reloading(func(cfg Config) {
			settings.Store(&cfg.Keys)
			if err := keys.LimitInline(cfg.Keys.InlineLimit); err != nil {
				p.Log.Error("a setting could not be taken over", "error", err)
			}
		}),
		Rules:     rules{keys},
		Transient: []string{keyring.PurposeRecipient},
	}, nil
}

// measureUses counts uses of private keys by operation and algorithm.
func measureUses(meter metric.Meter) (func(context.Context, keyring.Operation, string), error) {
	uses, err := meter.Int64Counter("cryptoutil.crypto.operations", metric.WithUnit("{operation}"),
		metric.WithDescription("Uses of private and symmetric keys"))
	if err != nil {
		return nil, err
	}
	type use struct {
		op        keyring.Operation
		algorithm string
	}
	var marks sync.Map // of use to []metric.AddOption, which are made once
	return func(ctx context.Context, op keyring.Operation, algorithm string) {
		key := use{op, algorithm}
		mark, known := marks.Load(key)
		if !known {
			mark, _ = marks.LoadOrStore(key, []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(
				attribute.String("operation", string(op)), attribute.String("algorithm", algorithm),
			))})
		}
		if options, ok := mark.([]metric.AddOption); ok {
			uses.Add(ctx, 1, options...)
		}
	}, nil
}

// objectKey is the kind of object that an elastic key is, in grants and in the audit trail.
const objectKey = "elastic-key"

// events writes changes of keys into the audit trail.
type events struct{ platform *service.Platform }

// Record implements keyring.Events.
func (e events) Record(ctx context.Context, event keyring.Event) error {
	object := audit.Object{Kind: objectKey, ID: event.Key.ID, Version: event.Version}
	fields := []audit.Field{audit.Text("algorithm", event.Key.Algorithm)}
	if !event.At.IsZero() {
		fields = append(fields, audit.Text("at", event.At.UTC().Format(time.RFC3339)))
	}
	if event.Detail != "" {
		fields = append(fields, audit.Text("detail", event.Detail))
	}
	if _, asked := server.PrincipalFrom(ctx); !asked {
		return e.platform.RecordOwn(ctx, event.Key.Tenant, event.Action, object, fields...)
	}
	return e.platform.Record(ctx, event.Action, object, fields...)
}
