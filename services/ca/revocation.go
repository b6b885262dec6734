package ca

import (
	"context"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/database/rewrap"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/service"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/hierarchy"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/httpapi"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/issuance"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/published"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/revocation"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/sqlstore"
)

// revocations is the part of the service that revokes and tells of it.
type revocations struct {
	registry  *revocation.Registry
	publisher *revocation.Publisher
	responder *revocation.Responder
	lists     *revocation.Lists
	objects   *published.Objects
	listener  *published.Listener // nil where there is none
	values    rewrap.Source
}

// openRevocations builds it. issuer certifies responders.
func openRevocations(
	ctx context.Context, cfg Config, p *service.Platform, cas *hierarchy.Hierarchy, facts *sqlstore.Facts, issuer *issuance.Issuer, now func() time.Time,
) (*revocations, error) {
	store := sqlstore.NewRevocationFacts(facts.Store, p.Changes, cfg.Keys.Cache)
	issuers, events, settings := revocation.FromHierarchy(cas, facts, now), revocationEvents{p}, cfg.Revocations.Settings
	r := &revocations{values: sqlstore.NewResponderValues(facts.Store, p.Tenants)}
	var err error
	if r.registry, err = revocation.NewRegistry(store, issuers, events, now); err != nil {
		return nil, err
	}
	delegates, err := revocation.NewDelegates(revocation.DelegatesConfig{
		Store: store, Certificates: store, Certifier: issuer, Keys: p.Barrier, Generator: p.Generator, Events: events, Now: now,
	})
	if err != nil {
		return nil, err
	}
	r.publisher, err = revocation.NewPublisher(revocation.PublisherConfig{
		Store: store, InTx: p.DB.InTx, Issuers: issuers, Leases: p.Leases, Events: events, Log: p.Log, Now: now, Settings: settings, Tenants: p.Tenants,
		Also: delegates.Renew,
		AlsoTenant: func(ctx context.Context, tenant string) error {
			_, err := r.registry.RevokeAbandoned(ctx, tenant, now().Add(-settings.Abandoned))
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	for _, kind := range []string{sqlstore.ChangeStatus, sqlstore.ChangeAuthority} { // what was revoked, and new CAs, whose first list is due
		p.Changes.Subscribe(kind, func(c changes.Change) { r.publisher.Notice(c.Tenant) })
	}
	r.responder, err = revocation.NewResponder(revocation.ResponderConfig{
		Store: store, Issuers: issuers, Keys: p.Barrier, Delegates: delegates, Follower: p.Changes, Now: now, Settings: settings,
		Capacity: cfg.Revocations.Cache, StatusKind: sqlstore.ChangeStatus, DelegateKind: sqlstore.ChangeResponder, IssuerKind: sqlstore.ChangeAuthority,
	})
	if err != nil {
		return nil, err
	}
	if r.lists, err = revocation.NewLists(store, store); err != nil {
		return nil, err
	}
	r.objects, err = published.New(published.Config{
		Lists: r.lists, Responder: r.responder, Issuers: issuers, Log: p.Log, Now: now, MaxAge: settings.MaxAge,
	})
	if err != nil {
		return nil, err
	}
	r.listener, err = published.Listen(ctx, cfg.StatusListener, r.objects)
	return r, err
}

// protocols are the routes for everybody.
func (r *revocations) protocols() []server.Protocol { return httpapi.Status(r.objects) }

// tasks run beside the requests.
func (r *revocations) tasks() []func(context.Context) {
	tasks := []func(context.Context){r.publisher.Run}
	if r.listener != nil {
		tasks = append(tasks, r.listener.Run)
	}
	return tasks
}

// revocationEvents writes revocations, and what tells of them, into the audit trail.
type revocationEvents struct{ platform *service.Platform }

// Record implements revocation.Events.
func (e revocationEvents) Record(ctx context.Context, event revocation.Event) error {
	object := audit.Object{Kind: hierarchy.ObjectCA, ID: event.CAID}
	fields := []audit.Field{audit.Text("detail", event.Detail)}
	if event.Serial != "" {
		object = audit.Object{Kind: issuance.ObjectCertificate, ID: event.Serial}
		fields = append(fields, audit.Text("ca", event.CAID))
	}
	prepared, err := e.platform.Event(ctx, event.Tenant, event.Action, object, fields...)
	if err != nil {
		return fmt.Errorf("prepare event: %w", err)
	}
	if err := e.platform.Audit.Record(ctx, prepared); err != nil {
		return err
	}
	if _, ok := server.PrincipalFrom(ctx); ok {
		server.MarkRecorded(ctx)
	}
	return nil
}
