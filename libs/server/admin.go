package server

import (
	"net"
	"net/http"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

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
	s.adminRoutes["/admin/v1/status"] = map[string]adminRoute{http.MethodGet: {serve: s.adminStatus}}
	if s.deps.Operator != nil {
		s.adminRoutes["/admin/v1/seal"] = map[string]adminRoute{http.MethodGet: {serve: s.sealStatus}, http.MethodPost: {serve: s.seal}}
		s.adminRoutes["/admin/v1/unseal"] = map[string]adminRoute{http.MethodPost: {serve: s.unseal}}
	}

	return s.loadAdminRoutes()
}

// adminHandler serves the admin listener. It shares nothing with the public one that load could take away.
func (s *Server) adminHandler() http.Handler {
	serve := chain([]stage{s.auditAdmin, s.recoverPanic, s.guardAdmin}, s.serveAdmin)

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := newCall(s, w, r)
		c.settings, c.face = s.settings.Load(), s.faces[len(s.faces)-1]
		c.address = peerOf(r)
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
	byMethod, pattern := s.findAdmin(c, r)
	if byMethod == nil {
		s.fail(c, w, r, problem.New(problem.NotFound, "no resource has this path"))

		return
	}
	c.adminPattern = pattern
	route, allowed := byMethod[r.Method]
	if !allowed {
		names := methodsOf(byMethod)
		w.Header().Set("Allow", strings.Join(names, ", "))
		s.fail(c, w, r, problem.New(problem.MethodNotAllowed, "use %s", strings.Join(names, " or ")))

		return
	}
	if !route.open {
		principal, err := s.identifyOperator(c, r)
		if err != nil {
			s.log.WarnContext(c, "admin request refused", "request_id", c.requestID(), "path", pattern)
			s.fail(c, w, r, err)

			return
		}
		c.principal = principal
		s.log.InfoContext(c, "admin request", "request_id", c.requestID(), "method", r.Method, "path", pattern, "principal", principal.ID)
	}
	route.serve(c, w, r)
}

// acceptShutdown begins the end and does not wait for it.
func (s *Server) acceptShutdown(_ *call, w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusAccepted, Report{Status: StatusDraining, Checks: []CheckResult{}})
	s.Shutdown()
}
