package telemetry

import (
	"context"
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"reflect"

	"go.opentelemetry.io/otel/trace"
)

// handler decides by level, makes values fit to be seen, and passes records on. Every sink gets plain values only: some sinks would print a
// value's fields or bytes where another calls its String method.
type handler struct {
	level slog.Leveler
	next  slog.Handler
}

func newHandler(level slog.Leveler, next slog.Handler) *handler {
	return &handler{level: level, next: next}
}

// Enabled compares with the level as it is now.
func (h *handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// Handle passes a record on.
func (h *handler) Handle(ctx context.Context, record slog.Record) error {
	clean := slog.NewRecord(record.Time, record.Level, RedactText(record.Message), record.PC)
	record.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(plain(a))
		return true
	})
	return h.next.Handle(ctx, clean)
}

// WithAttrs adds attributes to all records.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = plain(a)
	}
	return newHandler(h.level, h.next.WithAttrs(clean))
}

// WithGroup opens a group.
func (h *handler) WithGroup(name string) slog.Handler {
	return newHandler(h.level, h.next.WithGroup(name))
}

// plain turns an attribute's value into one without methods.
func plain(a slog.Attr) slog.Attr {
	value := a.Value.Resolve()
	switch value.Kind() {
	case slog.KindString:
		value = slog.StringValue(RedactText(value.String()))
	case slog.KindGroup:
		group := value.Group()
		clean := make([]slog.Attr, len(group))
		for i, member := range group {
			clean[i] = plain(member)
		}
		value = slog.GroupValue(clean...)
	case slog.KindAny:
		value = slog.AnyValue(plainAny(value.Any()))
	}
	return slog.Attr{Key: a.Key, Value: value}
}

// plainAny turns a value into text, or into what encoding/json makes of it.
func plainAny(v any) (result any) {
	defer func() {
		if recover() != nil { // a method on a nil pointer, mostly
			result = fmt.Sprintf("[%T]", v)
		}
	}()
	switch v := v.(type) {
	case nil:
		return nil
	case error:
		return RedactText(v.Error())
	case url.URL:
		return RedactURL(v.String())
	case *url.URL:
		return RedactURL(v.String())
	case []byte:
		return hiddenBytes(len(v))
	case json.Marshaler, encoding.TextMarshaler:
		return throughJSON(v)
	case fmt.Stringer:
		return RedactText(v.String())
	}
	if r := reflect.ValueOf(v); (r.Kind() == reflect.Slice || r.Kind() == reflect.Array) && r.Type().Elem().Kind() == reflect.Uint8 {
		return hiddenBytes(r.Len())
	}
	return throughJSON(v)
}

// hiddenBytes stands for raw bytes, which may be a key and say nothing to people.
func hiddenBytes(n int) string { return fmt.Sprintf("[%d bytes]", n) }

// throughJSON encodes v, which calls the marshalling methods of all its parts, and decodes the result into plain values.
func throughJSON(v any) any {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("[%T]", v)
	}
	var decoded any
	if err := json.Unmarshal(text, &decoded); err != nil {
		return fmt.Sprintf("[%T]", v)
	}
	return redactTree(decoded)
}

// redactTree redacts the texts in decoded JSON.
func redactTree(v any) any {
	switch v := v.(type) {
	case string:
		return RedactText(v)
	case []any:
		for i := range v {
			v[i] = redactTree(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = redactTree(v[key])
		}
	}
	return v
}

// newLocalHandler writes records to the program's own output, with the service's name and the ids of the trace.
func newLocalHandler(out io.Writer, format string, res Resource) slog.Handler {
	options := &slog.HandlerOptions{Level: slog.Level(-1 << 31)} // handler decides
	var next slog.Handler = slog.NewJSONHandler(out, options)
	if format == "text" {
		next = slog.NewTextHandler(out, options)
	}
	return &traceHandler{next: next.WithAttrs([]slog.Attr{slog.String("service", res.Service)})}
}

// traceHandler adds trace_id and span_id at the top level of a record, outside of the groups that are open.
type traceHandler struct {
	next   slog.Handler
	groups []openGroup
}

// openGroup is a group and the attributes that were added inside it.
type openGroup struct {
	name  string
	attrs []slog.Attr
}

// Enabled asks the next handler.
func (h *traceHandler) Enabled(ctx context.Context, l slog.Level) bool { return h.next.Enabled(ctx, l) }

// Handle adds the ids of the span in ctx.
func (h *traceHandler) Handle(ctx context.Context, record slog.Record) error {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() && len(h.groups) == 0 {
		return h.next.Handle(ctx, record)
	}
	attrs := make([]slog.Attr, 0, record.NumAttrs())
	record.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, a)
		return true
	})
	for i := len(h.groups) - 1; i >= 0; i-- {
		g := h.groups[i]
		attrs = []slog.Attr{{Key: g.name, Value: slog.GroupValue(append(g.attrs[:len(g.attrs):len(g.attrs)], attrs...)...)}}
	}
	whole := slog.NewRecord(record.Time, record.Level, record.Message, record.PC)
	if span.IsValid() {
		whole.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	whole.AddAttrs(attrs...)
	return h.next.Handle(ctx, whole)
}

// WithAttrs adds attributes to the innermost group, or to all records.
func (h *traceHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(h.groups) == 0 {
		return &traceHandler{next: h.next.WithAttrs(attrs)}
	}
	groups := append([]openGroup(nil), h.groups...)
	last := &groups[len(groups)-1]
	last.attrs = append(last.attrs[:len(last.attrs):len(last.attrs)], attrs...)
	return &traceHandler{next: h.next, groups: groups}
}

// WithGroup opens a group.
func (h *traceHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &traceHandler{next: h.next, groups: append(h.groups[:len(h.groups):len(h.groups)], openGroup{name: name})}
}
