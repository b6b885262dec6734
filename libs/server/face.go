package server

import (
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

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
	serve     handler                      // the stages, for what has no route as well
}

// loadAPI binds the documents' operations to their handlers and builds the faces and the protocol routes.
func (s *Server) loadAPI() error {
	o, err := s.bindOperations()
	if err != nil {
		return err
	}
	for _, op := range o.list {
		if op.Alias == "" {
			continue
		}
		if err := s.aliases.add(op.Alias, op.Path); err != nil {
			return err
		}
	}
	for prefix, a := range map[string]*audience{"/service": s.programs(), "/browser": s.browsers()} {
		f := &face{prefix: prefix, base: prefix + apiPath, mux: o.mux, resources: map[string]map[string]*route{}}
		f.serve = chain(s.stages(a), s.handle)
		for _, op := range o.list {
			s.routes = append(s.routes, f.add(op))
		}
		s.faces = append(s.faces, f)
	}
	s.faces = append(s.faces, &face{serve: chain(s.outside(), s.nothing)})

	return s.loadProtocols()
}

func unmatchedPattern(prefix string) string { return prefix + "/*" }

func (f *face) add(op boundOperation) *route {
	methods := f.resources[op.Path]
	if methods == nil {
		methods = map[string]*route{}
		f.resources[op.Path] = methods
	}
	r := newRoute(f.base, op.Operation, op.handler)
	r.serve = f.serve
	methods[op.Method] = r

	return r
}

// owns tells whether a path belongs to the face.
func (f *face) owns(path string) bool {
	rest, ok := strings.CutPrefix(path, f.prefix)

	return ok && (f.prefix == "" || rest == "" || rest[0] == '/')
}

// resolve finds the face and, if there is one, the route. Paths are matched as they are on the wire, so that an escaped slash is
// part of a parameter.
func (s *Server) resolve(c *call, r *http.Request) handler {
	path := r.URL.EscapedPath()
	for _, f := range s.faces {
		if !f.owns(path) {
			continue
		}
		c.face = f
		if inside, ok := f.inside(path); ok {
			c.route = f.resources[f.mux.Find(&c.params, r.Method, inside)][r.Method]

			return f.serve
		}

		break
	}
	if s.protocols.resolve(c, r.Method, path) {
		return c.route.serve
	}
	// A preflight goes the way of the request that it asks for, and ends before the handler.
	if wanted := r.Header["Access-Control-Request-Method"]; r.Method == http.MethodOptions && len(wanted) == 1 && s.protocols.resolve(c, wanted[0], path) {
		return c.route.serve
	}

	return c.face.serve
}

// inside cuts a path to what the documents know.
func (f *face) inside(path string) (string, bool) {
	if f.mux == nil {
		return "", false
	}
	rest, ok := strings.CutPrefix(path, f.base)

	return rest, ok && strings.HasPrefix(rest, "/")
}

// allowed lists the methods of the path, for a request whose method it does not have.
func (s *Server) allowed(f *face, path string) []string {
	inside, ok := f.inside(path)
	if !ok {
		return s.protocols.allowed(path)
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
func (s *Server) unknown(c *call, w http.ResponseWriter, r *http.Request) error {
	allowed := s.allowed(c.face, r.URL.EscapedPath())
	if len(allowed) == 0 {
		return problem.New(problem.NotFound, "no resource has this path")
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))

	return problem.New(problem.MethodNotAllowed, "use %s", strings.Join(allowed, " or "))
}

// handle is behind the last stage.
func (s *Server) handle(c *call, w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodOptions && c.route.method != http.MethodOptions { // a preflight that no stage has answered
		s.fail(c, w, r, s.unknown(c, w, r))

		return
	}
	c.route.handler.ServeHTTP(w, r)
}

// nothing is what lies outside the prefixes.
func (s *Server) nothing(c *call, w http.ResponseWriter, r *http.Request) {
	s.fail(c, w, r, s.unknown(c, w, r))
}

// parameter returns the raw text of a path parameter.
func (c *call) parameter(name string) string { return c.params.URLParam(name) }
