package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/server/internal/wording"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// statusClientClosed is what logs and metrics say of a request whose sender has gone: nobody receives it, and it is no fault of the
// service.
const statusClientClosed = 499

// fail answers an error. It is the one place where errors become answers.
func (s *Server) fail(c *call, w http.ResponseWriter, r *http.Request, err error) {
	if c.response.status != 0 {
		s.log.ErrorContext(c, "error after the answer had begun", "request_id", c.requestID(), "error", err)
		panic(http.ErrAbortHandler)
	}
	if errors.Is(err, context.Canceled) && errors.Is(r.Context().Err(), context.Canceled) {
		w.WriteHeader(statusClientClosed)

		return
	}
	doc := s.describe(c, err)
	challenge(c, w, r, doc.Code)
	var own interface{ Challenge(h http.Header) }
	if errors.As(err, &own) { // it knows more than its code says, such as the nonce that a proof lacks (RFC 9449 section 9)
		own.Challenge(w.Header())
	}
	s.answer(c, w, r, doc)
}

// describe makes the document of an error, and logs what the document does not tell.
func (s *Server) describe(c *call, err error) problem.Document {
	doc := s.codes.Document(err, c.requestID())
	expected := doc.Code == problem.Overloaded || doc.Code == problem.Sealed || doc.Code == problem.ShuttingDown
	switch {
	case doc.Status == http.StatusServiceUnavailable && !expected:
		s.log.WarnContext(c, "request failed", "request_id", c.requestID(), "code", doc.Code, "error", err)
	case doc.Status >= http.StatusInternalServerError && !expected:
		s.log.ErrorContext(c, "request failed", "request_id", c.requestID(), "code", doc.Code, "error", err)
	case errors.Unwrap(err) != nil:
		s.log.DebugContext(c, "request refused", "request_id", c.requestID(), "code", doc.Code, "error", err)
	}

	return doc
}

// answer sends a problem in place of whatever was to be sent.
func (s *Server) answer(c *call, w http.ResponseWriter, r *http.Request, doc problem.Document) {
	c.code = doc.Code
	for _, name := range []string{"Content-Encoding", "ETag", "Last-Modified", "Location"} {
		w.Header().Del(name)
	}
	if c.wantsPage(r) {
		doc.WritePage(w)

		return
	}
	doc.Write(w)
}

// wantsPage tells whether a person looks at the answer: a browser that asks for HTML, outside of the API.
func (c *call) wantsPage(r *http.Request) bool {
	if c.route != nil && !c.route.page || c.face == nil || c.route == nil && (c.face.prefix != "/browser" || strings.HasPrefix(r.URL.Path, c.face.base)) {
		return false
	}

	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// ProblemOf is what a client may know of an error, for an answer that holds several outcomes. The rest is logged.
func ProblemOf(ctx context.Context, err error) problem.Document {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok || c.server == nil { // outside of a server, in a test
		return problem.Platform().Document(err, "")
	}

	return c.server.describe(c, err)
}

// challenge says how to authenticate (RFC 9110 section 11.6.1, RFC 6750 section 3).
func challenge(c *call, w http.ResponseWriter, r *http.Request, code string) {
	var values []string
	switch code {
	case problem.Unauthenticated:
		values = []string{`Bearer realm="cryptoutil"`, `Basic realm="cryptoutil", charset="UTF-8"`}
		if strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
			values[0] += `, error="invalid_token"`
		}
	case problem.SessionRequired:
		values = []string{`Session realm="cryptoutil"`} // no registered scheme is a session; this one opens no dialog
	case problem.InsufficientScope:
		scopes := ""
		if c.route != nil && len(c.route.scopes) > 0 {
			scopes = `, scope="` + strings.Join(c.route.scopes[0], " ") + `"`
		}
		values = []string{`Bearer realm="cryptoutil", error="insufficient_scope"` + scopes}
	case problem.StepUpRequired:
		scheme := "Bearer"
		if c.principal != nil && c.principal.SessionID != "" && c.principal.Person() {
			scheme = "Session"
		}
		values = []string{scheme + ` realm="cryptoutil", ` + c.stepUpParameters()}
	default:
		return
	}
	w.Header()["Www-Authenticate"] = values
}

// Fail answers an error of a handler that stands outside the API, by a problem document, as if a handler of the API had returned it.
func Fail(w http.ResponseWriter, r *http.Request, err error) {
	c := callOf(r)
	if c.server == nil { // outside of a server, in a test
		problem.Platform().Document(err, "").Write(w)

		return
	}
	c.server.fail(c, w, r, err)
}

// failResponse answers what a handler returned.
func (s *Server) failResponse(w http.ResponseWriter, r *http.Request, err error) {
	s.fail(callOf(r), w, r, err)
}

// failRequest answers what the generated code could not read. Its errors may repeat the request, so that only what is known of
// them is told.
func (s *Server) failRequest(w http.ResponseWriter, r *http.Request, err error) {
	var coded problem.Coded
	var mistyped *json.UnmarshalTypeError
	switch {
	case errors.As(err, &coded):
	case errors.As(err, &mistyped):
		var tokens []string
		if mistyped.Field != "" {
			tokens = strings.Split(mistyped.Field, ".")
		}
		err = problem.New(problem.ValidationFailed, "the body does not fit the operation").
			With(problem.Field{Pointer: problem.Pointer(tokens...), Detail: wording.Type(typeNames(mistyped.Type))}).Because(err)
	default:
		err = problem.New(problem.BadRequest, "the request's parameters or body could not be read").Because(err)
	}
	s.fail(callOf(r), w, r, err)
}

// typeNames says which JSON type a Go type is read from.
func typeNames(t reflect.Type) []string {
	switch t.Kind() {
	case reflect.String:
		return []string{"string"}
	case reflect.Bool:
		return []string{"boolean"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return []string{"integer"}
	case reflect.Float32, reflect.Float64:
		return []string{"number"}
	case reflect.Slice, reflect.Array:
		return []string{"array"}
	case reflect.Struct, reflect.Map:
		return []string{"object"}
	default:
		return nil
	}
}
