package ca

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/database/rewrap"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/service"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/access"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/hierarchy"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/httpapi"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/issuance"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/profile"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/sqlstore"
)

// expireInterval is how often opened keys that are too old are forgotten.
const expireInterval = time.Minute

// build makes the service on the platform. now is the clock of CAs and certificates.
func build(ctx context.Context, cfg Config, p *service.Platform, now func() time.Time) (service.Domain, error) {
	profiles, err := profile.Load(cfg.Profiles.Directory.String(), now())
	if err != nil {
		return service.Domain{}, err
	}
	for _, warning := range profiles.Warnings() {
		p.Log.Info("a profile meets a rule that is coming", "profile", warning)
	}
	held, err := openRules(ctx, cfg.Rules, profiles, p.Log)
	if err != nil {
		return service.Domain{}, err
	}
	issued, err := p.Telemetry.Meter(serviceName).Int64Counter("cryptoutil.ca.certificates", metric.WithUnit("{certificate}"),
		metric.WithDescription("Certificates that were issued, or failed"))
	if err != nil {
		return service.Domain{}, err
	}
	store := sqlstore.New(p.DB)
	facts := sqlstore.NewFacts(store, p.Changes, cfg.Keys.Cache)
	cas, err := hierarchy.New(hierarchy.Config{
		Store: facts, Barrier: p.Barrier, Generator: p.Generator, Events: caEvents{p}, Now: now, CacheKeys: cfg.Keys.Cache,
	})
	if err != nil {
		return service.Domain{}, err
	}
	issuer, err := issuance.New(issuance.Config{
		Store: facts, Hierarchy: cas, Profiles: profiles, Rules: held, Events: certificateEvents{p}, Grants: grants{p.Access}, Now: now,
		Measure: func(ctx context.Context, profile, algorithm string, err error) {
			issued.Add(ctx, 1, metric.WithAttributeSet(attribute.NewSet(
				attribute.String("profile", profile), attribute.String("algorithm", algorithm), attribute.Bool("failed", err != nil),
			)))
		},
	})
	if err != nil {
		return service.Domain{}, err
	}
	status, err := openRevocations(ctx, cfg, p, cas, facts, issuer, now)
	if err != nil {
		return service.Domain{}, err
	}
	automatic, err := openAutomation(cfg.ACME, p, store, profiles, newACMEIssuer(issuer, cas, status), now)
	if err != nil {
		return service.Domain{}, err
	}
	described := httpapi.Config{
		Hierarchy: cas, Issuer: issuer, Registry: status.registry, Publisher: status.publisher, Lists: status.lists, Profiles: profiles,
		Cursors: p.Cursors, Now: now,
	}
	if automatic != nil {
		described.Enrolment = automatic.server
	}
	operations, err := httpapi.New(described)
	if err != nil {
		return service.Domain{}, err
	}
	domain := service.Domain{
		Mount:     operations.Mount,
		Protocols: append(httpapi.Published(cas), status.protocols()...),
		Tasks:     append(status.tasks(), func(ctx context.Context) { expire(ctx, cas) }),
		Values:    []rewrap.Source{sqlstore.NewValues(store, p.Tenants), status.values},
		Forget: func() {
			cas.Forget()
			status.responder.Forget()
		},
	}
	if automatic != nil {
		domain.Protocols = append(domain.Protocols, automatic.routes...)
		domain.Tasks = append(domain.Tasks, automatic.tasks()...)
		domain.Values = append(domain.Values, automatic.values)
	}
	return domain, nil
}

// grants are the platform's grants on single objects.
type grants struct{ access *auth.Access }

// Allowed implements access.Grants.
func (g grants) Allowed(ctx context.Context, scope string, on access.Object) (bool, error) {
	caller, ok := server.PrincipalFrom(ctx)
	if !ok {
		return false, nil
	}
	return g.access.Allowed(ctx, caller, scope, on.Kind, on.ID, on.Name)
}

// caEvents writes changes of CAs into the audit trail.
type caEvents struct{ platform *service.Platform }

// Record implements hierarchy.Events.
func (e caEvents) Record(ctx context.Context, event hierarchy.Event) error {
	var fields []audit.Field
	if event.Detail != "" {
		fields = append(fields, audit.Text("detail", event.Detail))
	}
	object := audit.Object{Kind: hierarchy.ObjectCA, ID: event.CAID}
	if _, ok := server.PrincipalFrom(ctx); ok {
		return e.platform.Record(ctx, event.Action, object, fields...)
	}
	return e.platform.RecordOwn(ctx, event.Tenant, event.Action, object, fields...)
}

// certificateEvents writes what is done with certificates into the audit trail.
type certificateEvents struct{ platform *service.Platform }

// Prepare implements issuance.Events.
func (e certificateEvents) Prepare(ctx context.Context, event issuance.Event) (issuance.Record, error) {
	object := audit.Object{Kind: issuance.ObjectCertificate, ID: event.Serial}
	fields := []audit.Field{audit.Text("ca", event.CAID), audit.Text("profile", event.Profile)}
	prepared, err := e.platform.Event(ctx, event.Tenant, event.Action, object, fields...)
	if err != nil {
		return nil, fmt.Errorf("prepare event: %w", err)
	}
	return func(tx context.Context) error { return e.platform.Audit.Record(tx, prepared) }, nil
}

// Recorded implements issuance.Events.
func (certificateEvents) Recorded(ctx context.Context) { server.MarkRecorded(ctx) }

// expire forgets opened keys that are too old until ctx ends.
func expire(ctx context.Context, cas *hierarchy.Hierarchy) {
	ticker := time.NewTicker(expireInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			cas.Expire()
		}
	}
}
