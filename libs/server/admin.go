package server

import (
	"crypto/subtle"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// adminRoute is one operation of the admin listener.
type adminRoute struct {
	open  bool // needs no token
	serve handler
}

// loadAdmin prepares the token and the operations.
func (s *Server) loadAdmin() error {
	token, err := openAdminToken(s.deps.DataDir)
	if err != nil {
		return err
	}
	s.adminToken = token
	s.adminRoutes = map[string]map[string]adminRoute{
		"/admin/v1/livez":    {http.MethodGet: {open: true, serve: s.liveness}},
		"/admin/v1/readyz":   {http.MethodGet: {open: true, serve: s.readiness}},
		"/admin/v1/healthz":  {http.MethodGet: {open: true, serve: s.health}},
		"/admin/v1/shutdown": {http.MethodPost: {serve: s.acceptShutdown}},
	}
	if s.deps.Operator != nil {
		s.adminRoutes["/admin/v1/seal"] = map[string]adminRoute{http.MethodGet: {serve: s.sealStatus}, http.MethodPost: {serve: s.seal}}
		s.adminRoutes["/admin/v1/unseal"] = map[string]adminRoute{http.MethodPost: {serve: s.unseal}}
	}

	return nil
}

// adminHandler serves the admin listener. It shares nothing with the public one that load could take away.
func (s *Server) adminHandler() http.Handler {
	serve := chain([]stage{s.recoverPanic, s.guardAdmin}, s.serveAdmin)

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := newCall(s, w, r)
		c.settings = s.settings.Load()
		w.Header()["Cache-Control"] = []string{"no-store"}
		serve(c, &c.response, r.WithContext(c))
	})
}

// guardAdmin refuses what a browser could have been tricked into sending, and whatever does not come from this machine.
func (s *Server) guardAdmin(next handler) handler {
	return func(c *call, w http.ResponseWriter, r *http.Request) {
		peer, _, err := net.SplitHostPort(r.RemoteAddr)
		switch {
		case err != nil || !isLoopback(peer):
			s.fail(c, w, r, problem.New(problem.Forbidden, "the admin listener is for this machine"))
		case len(r.Header["Origin"]) > 0:
			s.fail(c, w, r, problem.New(problem.Forbidden, "the admin listener is not for browsers"))
		case !isLoopbackHost(r.Host):
			s.fail(c, w, r, problem.New(problem.Forbidden, "the admin listener answers to loopback names only"))
		default:
			next(c, w, r)
		}
	}
}

// isLoopbackHost tells whether a Host header, with or without a port, names this machine.
func isLoopbackHost(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}

	return strings.EqualFold(name, "localhost") || isLoopback(name)
}

func (s *Server) serveAdmin(c *call, w http.ResponseWriter, r *http.Request) {
	byMethod, known := s.adminRoutes[r.URL.Path]
	if !known {
		s.fail(c, w, r, problem.New(problem.NotFound, "no resource has this path"))

		return
	}
	route, allowed := byMethod[r.Method]
	if !allowed {
		names := slices.Sorted(maps.Keys(byMethod))
		w.Header().Set("Allow", strings.Join(names, ", "))
		s.fail(c, w, r, problem.New(problem.MethodNotAllowed, "use %s", strings.Join(names, " or ")))

		return
	}
	if !route.open {
		if !s.holdsToken(r) {
			s.log.WarnContext(c, "admin request refused", "request_id", c.requestID(), "path", r.URL.Path)
			s.fail(c, w, r, problem.New(problem.Unauthenticated, "present the token in %s as a bearer token", AdminTokenFile))

			return
		}
		s.log.InfoContext(c, "admin request", "request_id", c.requestID(), "method", r.Method, "path", r.URL.Path)
	}
	route.serve(c, w, r)
}

// holdsToken compares in constant time.
func (s *Server) holdsToken(r *http.Request) bool {
	values := r.Header["Authorization"]
	if len(values) != 1 {
		return false
	}
	token, ok := strings.CutPrefix(values[0], "Bearer ")

	return ok && subtle.ConstantTimeCompare([]byte(token), s.adminToken) == 1
}

// acceptShutdown begins the end and does not wait for it.
func (s *Server) acceptShutdown(_ *call, w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusAccepted, Report{Status: StatusDraining, Checks: []CheckResult{}})
	s.Shutdown()
}
