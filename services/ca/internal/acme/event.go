package acme

import (
	"context"
	"fmt"
)

// Actions of an Event.
const (
	ActionAccountCreate           = "acme.account.create"
	ActionAccountUpdate           = "acme.account.update"
	ActionAccountDeactivate       = "acme.account.deactivate"
	ActionAccountRevoke           = "acme.account.revoke"
	ActionAccountKeyChange        = "acme.account.key-change"
	ActionExternalKeyCreate       = "acme.external-key.create"
	ActionExternalKeyRevoke       = "acme.external-key.revoke"
	ActionAuthorizationCreate     = "acme.authorization.create"
	ActionAuthorizationDeactivate = "acme.authorization.deactivate"
	ActionAuthorizationPrefix     = "acme.authorization." // with the status that it has come to: valid, invalid
	ActionOrderCreate             = "acme.order.create"
	ActionOrderFinalize           = "acme.order.finalize"
	ActionOrderPrefix             = "acme.order." // with the status that it has come to: valid, invalid
	ActionCertificateRevoke       = "acme.certificate.revoke"
)

// Kinds of objects in events.
const (
	ObjectAccount       = "acme-account"
	ObjectExternalKey   = "acme-external-key"
	ObjectAuthorization = "acme-authorization"
	ObjectOrder         = "acme-order"
	ObjectCertificate   = "certificate"
)

// Event is a change of state.
type Event struct {
	Tenant, Action, Kind, ID string
	// Detail says what else matters: the directory of an account, the identifier of an authorization, the profile or the serial number of an order.
	Detail string
}

// Events records changes.
type Events interface {
	// Record stores the event in the transaction of ctx; an error undoes the change. Outside a request it is the service's own.
	Record(ctx context.Context, e Event) error
}

func (s *Server) record(ctx context.Context, tenant, action, kind, id, detail string) error {
	if err := s.events.Record(ctx, Event{Tenant: tenant, Action: action, Kind: kind, ID: id, Detail: detail}); err != nil {
		return fmt.Errorf("record %s: %w", action, err)
	}
	return nil
}
