package admin

import (
	"context"
	"io"
	"net/http"
	"strconv"

	"github.com/cryptoutil/cryptoutil/libs/auth/internal/adminapi"
	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/page"
)

// ListAuditEvents implements GET /audit/events.
func (o *Operations) ListAuditEvents(ctx context.Context, request adminapi.ListAuditEventsRequestObject) (adminapi.ListAuditEventsResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if o.cfg.Audit == nil {
		return nil, disabled()
	}
	p := request.Params
	filter := audit.Filter{
		Since: apivalue.Of(p.Since), Until: apivalue.Of(p.Until), Action: apivalue.Of(p.Action), Outcome: string(apivalue.Of(p.Outcome)), ActorID: apivalue.Of(p.Actor),
		ObjectKind: apivalue.Of(p.ObjectKind), ObjectID: apivalue.Of(p.Object), Newest: apivalue.Of(p.Newest),
	}
	of := page.List{Tenant: by.Tenant, Name: "audit/events", Sort: "seq " + strconv.FormatBool(filter.Newest), Filter: []string{
		apivalue.Timestamp(filter.Since), apivalue.Timestamp(filter.Until), filter.Action, filter.Outcome, filter.ActorID, filter.ObjectKind, filter.ObjectID,
	}}
	items, next, err := page.Read(o.cfg.Cursors, of, p.Limit, p.Cursor, func(after string, limit int) ([]audit.Entry, error) {
		number, err := page.Number(after)
		if err != nil {
			return nil, err
		}
		return o.cfg.Audit.List(ctx, by.Tenant, filter, number, limit)
	}, func(e audit.Entry) string { return strconv.FormatInt(e.Seq, 10) })
	if err != nil {
		return nil, err
	}
	return adminapi.ListAuditEvents200JSONResponse{
		Items: apivalue.Each(items, func(e audit.Entry) adminapi.Event {
			return adminapi.Event{Seq: e.Seq, Event: e.Event, Intact: e.Intact}
		}),
		NextCursor: next,
	}, nil
}

// ExportAudit implements GET /audit/export. It is sent as it is read.
func (o *Operations) ExportAudit(ctx context.Context, request adminapi.ExportAuditRequestObject) (adminapi.ExportAuditResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if o.cfg.Audit == nil {
		return nil, disabled()
	}
	p := request.Params
	selected := audit.Range{From: apivalue.Of(p.From), To: apivalue.Of(p.To), Since: apivalue.Of(p.Since), Until: apivalue.Of(p.Until)}
	return export(func(w io.Writer) error { return o.cfg.Audit.Export(ctx, by.Tenant, selected, w) }), nil
}

// export is an answer that is written while it is made. The header goes out with the first bytes, so that what fails before is an error
// like any other.
type export func(w io.Writer) error

// VisitExportAuditResponse writes the answer.
func (e export) VisitExportAuditResponse(w http.ResponseWriter) error {
	lazy := &lazyBody{w: w}
	if err := e(lazy); err != nil {
		return err
	}
	_, err := lazy.Write(nil)
	return err
}

type lazyBody struct {
	w     http.ResponseWriter
	begun bool
}

func (l *lazyBody) Write(p []byte) (int, error) {
	if !l.begun {
		l.begun = true
		l.w.Header().Set("Content-Type", "application/jsonl")
		l.w.WriteHeader(http.StatusOK)
	}
	return l.w.Write(p)
}

// GetAuditCheckpointKey implements GET /audit/checkpoint-key.
func (o *Operations) GetAuditCheckpointKey(ctx context.Context, _ adminapi.GetAuditCheckpointKeyRequestObject) (adminapi.GetAuditCheckpointKeyResponseObject, error) {
	if o.cfg.Audit == nil {
		return nil, disabled()
	}
	keys, err := o.cfg.Audit.CheckpointKeys(ctx)
	return keySet(keys), err
}

// keySet is a JWK Set as it stands.
type keySet []byte

// VisitGetAuditCheckpointKeyResponse writes the answer.
func (k keySet) VisitGetAuditCheckpointKeyResponse(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(k)
	return err
}
