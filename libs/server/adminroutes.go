package server

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/cryptoutil/cryptoutil/libs/server/contract"
)

// adminPath is what the paths of the admin listener begin with.
const adminPath = "/admin/v1"

// adminRoute is one operation of the admin listener.
type adminRoute struct {
	open  bool // needs no token
	serve handler
}

// loadAdminRoutes adds those that the service brings, and prepares to find them.
func (s *Server) loadAdminRoutes() error {
	var faults []error
	for _, r := range s.deps.AdminRoutes {
		if r.Handler == nil || !strings.HasPrefix(r.Path, "/") || !slices.Contains(methods, r.Method) {
			faults = append(faults, fmt.Errorf("admin route %s %s needs a method, a path and a handler", r.Method, r.Path))

			continue
		}
		pattern := adminPath + r.Path
		if s.adminRoutes[pattern] == nil {
			s.adminRoutes[pattern] = map[string]adminRoute{}
		}
		if _, taken := s.adminRoutes[pattern][r.Method]; taken {
			faults = append(faults, fmt.Errorf("admin route %s %s is there twice", r.Method, r.Path))

			continue
		}
		s.adminRoutes[pattern][r.Method] = adminRoute{open: r.Open, serve: foreignAdmin(r.Handler)}
	}
	s.adminMux = chi.NewMux()
	for pattern := range s.adminRoutes {
		if err := addPattern(s.adminMux, http.MethodGet, pattern); err != nil {
			faults = append(faults, err)
		}
	}

	return errors.Join(faults...)
}

// addPattern makes a pattern known to a mux that finds patterns and nothing else.
func addPattern(mux *chi.Mux, method, pattern string) (err error) {
	defer func() {
		if cause := recover(); cause != nil { // what chi says to a pattern that is none
			err = fmt.Errorf("%s: %v", pattern, cause)
		}
	}()
	mux.Method(method, pattern, http.NotFoundHandler())

	return nil
}

// foreignAdmin is a handler of the service, with a bounded body.
func foreignAdmin(h http.Handler) handler {
	return func(_ *call, w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, contract.DefaultMaxBody)
		h.ServeHTTP(w, r)
	}
}

// findAdmin finds the methods of a path, and the pattern that it has; the parameters go to the call.
func (s *Server) findAdmin(c *call, r *http.Request) (map[string]adminRoute, string) {
	pattern := s.adminMux.Find(&c.params, http.MethodGet, r.URL.EscapedPath())

	return s.adminRoutes[pattern], pattern
}

func methodsOf(routes map[string]adminRoute) []string { return slices.Sorted(maps.Keys(routes)) }
