package server

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/cryptoutil/cryptoutil/libs/server/contract"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// apiPath is where a prefix has the service's API.
const apiPath = "/api/v1"

// face is one prefix of the public listener: the same operations, for one type of client.
type face struct {
	prefix    string // "/service", "/browser", or "" for what lies outside
	base      string // prefix and apiPath
	mux       *chi.Mux
	resources map[string]map[string]*route // by path of the document and method

	sendHeaders  stage
	authenticate stage
	serve        handler
}

// route is an operation as one face has it.
type route struct {
	pattern string // with the prefix
	name    string // method and pattern
	op      *contract.Operation
	handler http.Handler
	marks   marks
}

// loadAPI binds the document's operations to the service's handlers and builds the faces.
func (s *Server) loadAPI() error {
	c, err := contract.Load(s.deps.API.Document)
	if err != nil {
		return err
	}
	mux, handlers, err := s.mount()
	if err != nil {
		return err
	}
	var faults []error
	for _, op := range c.Operations() {
		at := op.Method + " " + op.Path
		if handlers[at] == nil {
			faults = append(faults, fmt.Errorf("%s is in the document and has no handler", at))
		}
		if op.Idempotent && s.deps.Idempotency == nil {
			faults = append(faults, fmt.Errorf("%s honours %s and there is no idempotency store", at, contract.IdempotencyKey))
		}
	}
	for at := range handlers {
		if !slices.ContainsFunc(c.Operations(), func(op *contract.Operation) bool { return op.Method+" "+op.Path == at }) {
			faults = append(faults, fmt.Errorf("%s has a handler and is not in the document", at))
		}
	}
	if len(faults) > 0 {
		return errors.Join(faults...)
	}

	service, browser := newFace("/service", mux), newFace("/browser", mux)
	service.sendHeaders, service.authenticate = sendHeaders(serviceHeaders()), s.authenticateProgram
	browser.sendHeaders, browser.authenticate = sendHeaders(browserHeaders()), s.authenticateBrowser
	for _, f := range []*face{service, browser} {
		for _, op := range c.Operations() {
			f.add(op, handlers[op.Method+" "+op.Path])
		}
		f.serve = chain(s.stages(f), s.handle)
	}
	outside := newFace("", nil)
	outside.serve = chain(s.outside(), s.nothing)
	s.faces = []*face{service, browser, outside}

	return nil
}

// mount has the service register its handlers and collects them.
func (s *Server) mount() (*chi.Mux, map[string]http.Handler, error) {
	mux := chi.NewMux()
	s.deps.API.Mount(mux, ErrorHandlers{Request: s.failRequest, Response: s.failResponse})
	handlers := map[string]http.Handler{}
	err := chi.Walk(mux, func(method, path string, h http.Handler, around ...func(http.Handler) http.Handler) error {
		if len(around) > 0 {
			return fmt.Errorf("%s %s is mounted with middlewares of its own", method, path)
		}
		handlers[method+" "+path] = h

		return nil
	})

	return mux, handlers, err
}

func newFace(prefix string, mux *chi.Mux) *face {
	return &face{prefix: prefix, base: prefix + apiPath, mux: mux, resources: map[string]map[string]*route{}}
}

func unmatchedPattern(prefix string) string { return prefix + "/*" }

func (f *face) add(op *contract.Operation, h http.Handler) {
	methods := f.resources[op.Path]
	if methods == nil {
		methods = map[string]*route{}
		f.resources[op.Path] = methods
	}
	methods[op.Method] = &route{pattern: f.base + op.Path, name: op.Method + " " + f.base + op.Path, op: op, handler: h}
}

// owns tells whether a path belongs to the face.
func (f *face) owns(path string) bool {
	rest, ok := strings.CutPrefix(path, f.prefix)

	return ok && (f.prefix == "" || rest == "" || rest[0] == '/')
}

// resolve finds the face and, if there is one, the route. Paths are matched as they are on the wire, so that an escaped slash is
// part of a parameter.
func (s *Server) resolve(c *call, r *http.Request) {
	path := r.URL.EscapedPath()
	for _, f := range s.faces {
		if !f.owns(path) {
			continue
		}
		c.face = f
		if inside, ok := f.inside(path); ok {
			c.route = f.resources[f.mux.Find(&c.params, r.Method, inside)][r.Method]
		}

		return
	}
}

// inside cuts a path to what the document knows.
func (f *face) inside(path string) (string, bool) {
	if f.mux == nil {
		return "", false
	}
	rest, ok := strings.CutPrefix(path, f.base)

	return rest, ok && strings.HasPrefix(rest, "/")
}

// allowed lists the methods of the path, for a request whose method it does not have.
func (f *face) allowed(r *http.Request) []string {
	inside, ok := f.inside(r.URL.EscapedPath())
	if !ok {
		return nil
	}
	var allowed []string
	for _, method := range methods {
		if f.resources[f.mux.Find(chi.NewRouteContext(), method, inside)][method] != nil {
			allowed = append(allowed, method)
		}
	}

	return allowed
}

// unknown is the error of a request without a route; its Allow header is set (RFC 9110 section 15.5.6).
func (f *face) unknown(w http.ResponseWriter, r *http.Request) error {
	allowed := f.allowed(r)
	if len(allowed) == 0 {
		return problem.New(problem.NotFound, "no resource has this path")
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))

	return problem.New(problem.MethodNotAllowed, "use %s", strings.Join(allowed, " or "))
}

// handle is behind the last stage.
func (s *Server) handle(c *call, w http.ResponseWriter, r *http.Request) {
	c.route.handler.ServeHTTP(w, r)
}

// nothing is what lies outside the prefixes.
func (s *Server) nothing(c *call, w http.ResponseWriter, r *http.Request) {
	s.fail(c, w, r, problem.New(problem.NotFound, "no resource has this path"))
}

// parameter returns the raw text of a path parameter.
func (c *call) parameter(name string) string { return c.params.URLParam(name) }
