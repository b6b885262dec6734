package service

import (
	"context"
	"errors"

	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// Record stores an event of the request that ctx belongs to, in the transaction of ctx: the caller did the action to the object. An error
// must undo the change.
func (p *Platform) Record(ctx context.Context, action string, object audit.Object, fields ...audit.Field) error {
	caller, ok := server.PrincipalFrom(ctx)
	if !ok {
		return errNoPrincipal
	}
	return p.record(ctx, audit.Event{Tenant: caller.Tenant, Actor: actorOf(caller), Action: action, Object: object, Fields: fields})
}

// RecordOwn stores an event of what the service does by itself, in the transaction of ctx: there is no request, and nobody asked. An error must
// undo the change. It is refused within a request, whose events are the caller's.
func (p *Platform) RecordOwn(ctx context.Context, tenant, action string, object audit.Object, fields ...audit.Field) error {
	if server.RequestIDFrom(ctx) != "" {
		return errRequest
	}
	return p.Audit.Record(ctx, audit.Event{
		Tenant: tenant, Actor: audit.Actor{Kind: "service", ID: p.description.Product}, Action: action, Object: object, Fields: fields,
	})
}

// Event is an event of the request that ctx belongs to, or, outside of one, of what the service does by itself for a tenant. It is for a transaction
// that several requests share: whoever stores it there (audit.Log.Record) tells each of them ([server.MarkRecorded]).
func (p *Platform) Event(ctx context.Context, tenant, action string, object audit.Object, fields ...audit.Field) (audit.Event, error) {
	e := audit.Event{Tenant: tenant, Actor: audit.Actor{Kind: "service", ID: p.description.Product}, Action: action, Object: object, Fields: fields}
	caller, ok := server.PrincipalFrom(ctx)
	if !ok {
		return e, nil
	}
	if caller.Tenant != tenant {
		return audit.Event{}, errTenant
	}
	e.Actor, e.RequestID, e.Address = actorOf(caller), server.RequestIDFrom(ctx), server.AddressFrom(ctx)
	return e, nil
}

// errTenant is a fault of the program.
var errTenant = errors.New("record: an event of a request is its tenant's")

// errRequest is a fault of the program.
var errRequest = errors.New("record: an event of a request is the caller's")

// Use records the use of an object that the request is about to be answered for. Where every use is recorded by itself (audit.data_plane: each)
// it returns once the event is stored, and the answer may only go out after nil; otherwise the pipeline counts the request.
func (p *Platform) Use(ctx context.Context, operation string, object audit.Object) error {
	if !p.eachUse {
		return nil
	}
	return p.storeUses(ctx, []server.Use{{Operation: operation, Kind: object.Kind, ID: object.ID, Version: object.Version, Outcome: server.OutcomeAllowed}})
}

// Uses is Use for a request that has done several things, some of them perhaps in vain, or one that is called something else than the
// operation. Each stands in the audit trail with its count.
func (p *Platform) Uses(ctx context.Context, uses []server.Use) error {
	server.AnnotateUses(ctx, uses)
	if !p.eachUse {
		return nil
	}
	return p.storeUses(ctx, uses)
}

// storeUses stores what was allowed. The pipeline tells of the rest.
func (p *Platform) storeUses(ctx context.Context, uses []server.Use) error {
	caller, ok := server.PrincipalFrom(ctx)
	if !ok {
		return errNoPrincipal
	}
	var allowed []audit.Observation
	for _, use := range uses {
		if use.Outcome == server.OutcomeAllowed {
			allowed = append(allowed, audit.Observation{Count: use.Count, Event: audit.Event{
				Tenant: caller.Tenant, Actor: actorOf(caller), Action: use.Operation, Object: audit.Object{Kind: use.Kind, ID: use.ID, Version: use.Version},
				RequestID: server.RequestIDFrom(ctx), Address: server.AddressFrom(ctx),
			}})
		}
	}
	err := p.Audit.Use(ctx, allowed...)
	if err == nil {
		server.MarkRecorded(ctx)
	}
	return err
}

// record completes an event by what is known of the request.
func (p *Platform) record(ctx context.Context, e audit.Event) error {
	if e.Actor == (audit.Actor{}) {
		if caller, ok := server.PrincipalFrom(ctx); ok {
			e.Actor = actorOf(caller)
		}
	}
	e.RequestID, e.Address = server.RequestIDFrom(ctx), server.AddressFrom(ctx)
	if err := p.Audit.Record(ctx, e); err != nil {
		return err
	}
	server.MarkRecorded(ctx)
	return nil
}

func actorOf(p *server.Principal) audit.Actor { return audit.Actor{Kind: p.Kind, ID: p.ID} }

// auditor tells the audit trail of requests.
type auditor struct{ log *audit.Log }

// Observe implements server.Auditor.
func (a auditor) Observe(_ context.Context, o server.Observation) {
	event := audit.Event{
		Time: o.Time, Tenant: o.Tenant, Action: o.Operation, Object: audit.Object{Kind: o.ObjectKind, ID: o.ObjectID, Version: o.ObjectVersion},
		Outcome: o.Outcome, Code: o.Code, RequestID: o.RequestID, Address: o.Address,
	}
	if o.Principal != nil {
		event.Actor = actorOf(o.Principal)
	}
	a.log.Observe(audit.Observation{Event: event, Count: o.Count, Known: o.Principal != nil, DataPlane: o.DataPlane, Recorded: o.Recorded})
}
