package admin

import (
	"context"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/auth/directory"
	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// Recorder returns the Record of directory.Config and Config that puts events into the audit trail, and tells the server that the request's
// event stands there. An event that names nobody is the caller's; without one it belongs to the tenant that the context is bound to.
//
// All scopes are one field, which the trail cuts like any text.
func Recorder(log interface {
	Record(ctx context.Context, e audit.Event) error
},
) func(ctx context.Context, e directory.Event) error {
	return func(ctx context.Context, e directory.Event) error {
		event := audit.Event{
			Action: e.Action, Object: audit.Object{Kind: e.ObjectKind, ID: e.ObjectID},
			RequestID: server.RequestIDFrom(ctx), Address: server.AddressFrom(ctx),
		}
		by := e.By
		if by == nil || by.ID == "" {
			by, _ = server.PrincipalFrom(ctx)
		}
		if by != nil {
			event.Tenant, event.Actor = by.Tenant, audit.Actor{Kind: by.Kind, ID: by.ID}
		}
		if len(e.Scopes) > 0 {
			event.Fields = []audit.Field{audit.Text("scopes", strings.Join(e.Scopes, " "))}
		}
		if err := log.Record(ctx, event); err != nil {
			return err
		}
		server.MarkRecorded(ctx)
		return nil
	}
}
