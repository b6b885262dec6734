package admin

import (
	"context"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/auth/directory"
	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// Recorder returns the Record of directory.Config and Config that puts events into the audit trail.
func Recorder(log interface {
	Record(ctx context.Context, e audit.Event) error
},
) func(ctx context.Context, e directory.Event) error {
	return func(ctx context.Context, e directory.Event) error {
		event := audit.Event{
			Tenant: e.By.Tenant, Actor: audit.Actor{Kind: e.By.Kind, ID: e.By.ID}, Action: e.Action,
			Object: audit.Object{Kind: e.ObjectKind, ID: e.ObjectID}, RequestID: server.RequestIDFrom(ctx), Address: server.AddressFrom(ctx),
		}
		if len(e.Scopes) > 0 {
			event.Fields = []audit.Field{audit.Text("scopes", strings.Join(e.Scopes, " "))}
		}
		return log.Record(ctx, event)
	}
}
