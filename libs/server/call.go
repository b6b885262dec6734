package server

import (
	"context"
	"net/http"
	"net/netip"

	"github.com/go-chi/chi/v5"
)

// callKey finds the call in a context.
type callKey struct{}

// call is everything the platform knows of one request, and the request's context: one allocation holds both. The pipeline's
// stages write it one after the other, on the request's goroutine, before the handler runs; the handler reads it.
type call struct {
	context.Context //nolint:containedctx // it is the context

	server    *Server
	listener  *listener
	settings  *settings // those that the request began with
	id        [1]string // the request id, as it stands in the header
	address   netip.Addr
	face      *face
	route     *route      // nil when the path or the method is unknown
	params    chi.Context // where the path's parameters are
	principal *Principal
	object    object // what the handler says that it is about
	uses      []Use  // what the handler has done, where that is not one thing
	recorded  bool   // the handler's own event is in its transaction
	body      []byte // what the validation has read
	response  response
	code      string // of the problem that was answered
	cut       bool   // a panic ended it

	tenant       string // that the path stands for; "" when it stands for none
	tenantInPath bool
	tenantKnown  string // one that exists
	adminPattern string // of a route of the admin listener

	// Room for what chi writes about most routes.
	names, values [4]string
	patterns      [1]string
}

// newCall begins a call and names it to its sender.
func newCall(s *Server, w http.ResponseWriter, r *http.Request) *call {
	c := &call{Context: r.Context(), server: s, id: [1]string{s.ids.next()}}
	c.response.ResponseWriter = w
	c.params.URLParams = chi.RouteParams{Keys: c.names[:0], Values: c.values[:0]}
	c.params.RoutePatterns = c.patterns[:0]
	w.Header()[headerRequestID] = c.id[:]

	return c
}

// requestID is the id of the request.
func (c *call) requestID() string { return c.id[0] }

// Value answers for the call itself and for chi's path parameters.
func (c *call) Value(key any) any {
	switch key {
	case callKey{}:
		return c
	case chi.RouteCtxKey:
		return &c.params
	default:
		return c.Context.Value(key)
	}
}

// callOf returns the call of a request that the pipeline has handed to a handler.
func callOf(r *http.Request) *call {
	c, ok := r.Context().Value(callKey{}).(*call)
	if !ok {
		return &call{Context: r.Context()}
	}

	return c
}

// handler is an http.Handler that knows its call.
type handler func(c *call, w http.ResponseWriter, r *http.Request)

// response counts what is sent.
type response struct {
	http.ResponseWriter

	status int // 0 until the header is sent
	bytes  int64
}

// WriteHeader sends the header. An informational one (RFC 9110 section 15.2) is not the answer.
func (w *response) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)

	return n, err
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }
