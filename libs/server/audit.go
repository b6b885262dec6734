package server

import (
	"context"
	"net/netip"
	"time"
)

// Outcomes of an [Observation].
const (
	OutcomeAllowed = "allowed"
	OutcomeDenied  = "denied" // by authentication, authorization or a limit
	OutcomeFailed  = "failed" // allowed, and then it could not be done
)

// Auditor is told of every public request once it is answered, and of every admin request that changes something or was refused.
// It must not block.
type Auditor interface {
	Observe(ctx context.Context, o Observation)
}

// Observation is what a request was and became.
type Observation struct {
	Time time.Time
	// Tenant is the caller's, or the path's; "" when neither is known.
	Tenant string
	// Principal is nil for a caller who is not known.
	Principal *Principal
	// Operation is the document's operationId, or the method and pattern of a route that no document describes.
	Operation string
	// ObjectKind, ObjectID and ObjectVersion are what the handler has said with Annotate; they may be empty.
	ObjectKind, ObjectID string
	ObjectVersion        int64
	// Outcome is OutcomeAllowed, OutcomeDenied or OutcomeFailed; Code is the problem's, "" after success.
	Outcome, Code string
	// Count is how often, in this request; 0 is once.
	Count     int64
	RequestID string
	// Address is the client's, behind trusted proxies the one that they name.
	Address netip.Addr
	// DataPlane tells that the operation uses something and changes nothing.
	DataPlane bool
	// Recorded tells that the handler has put its own event into its transaction (MarkRecorded).
	Recorded bool
}

// Annotate names the object of the request that ctx belongs to. The last call counts.
func Annotate(ctx context.Context, kind, id string, version int64) {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		c.object = object{kind: kind, id: id, version: version}
	}
}

// Use is what a request has done with one object, and how often.
type Use struct {
	// Operation is the name in the audit trail, of one use by itself.
	Operation string
	// Kind, ID and Version are the object's.
	Kind, ID string
	Version  int64
	// Outcome is OutcomeAllowed or another, with the problem's code; Count is how often, at least once.
	Outcome, Code string
	Count         int64
}

// AnnotateUses says what a request has done where that is more than one thing, or is called something else than the operation. The auditor is
// told of each in place of the request, as what the request became unless it succeeds. The last call counts.
func AnnotateUses(ctx context.Context, uses []Use) {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		c.uses = uses
	}
}

// of is the observation of one use by the request.
func (o Observation) of(use Use) Observation {
	o.Operation, o.ObjectKind, o.ObjectID, o.ObjectVersion, o.Count = use.Operation, use.Kind, use.ID, use.Version, use.Count
	if o.Outcome == OutcomeAllowed {
		o.Outcome, o.Code = use.Outcome, use.Code
	}

	return o
}

// MarkRecorded says that the request's event stands in the handler's own transaction, so that it is not recorded twice.
func MarkRecorded(ctx context.Context) {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		c.recorded = true
	}
}

// object is what a handler says that its request is about.
type object struct {
	kind, id string
	version  int64
}
