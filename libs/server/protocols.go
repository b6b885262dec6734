package server

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"
)

// tenantPath is where the routes of tenants stand.
const tenantPath = "/t/{tenant}"

// protocols are the routes outside the API.
type protocols struct {
	mux    *chi.Mux
	routes map[string]map[string]*route // by pattern and method
}

// loadProtocols builds the protocol routes.
func (s *Server) loadProtocols() error {
	s.protocols = &protocols{mux: chi.NewMux(), routes: map[string]map[string]*route{}}
	audiences := map[string]*audience{ClientService: s.programs(), ClientBrowser: s.pages(), ClientEither: s.anybody()}
	var faults []error
	for _, p := range s.deps.Protocols {
		err := p.check()
		if err == nil && s.aliases.covers(p.Path) {
			err = errors.New("the path is an alias's")
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s %s: %w", p.Method, p.Path, err))

			continue
		}
		a := audiences[p.Client]
		stages := s.protocolStages(a)
		if p.Light {
			stages = s.lightStages(a)
		}
		serve := chain(stages, s.handle)
		variants := map[string]tenancy{p.Path: tenantOfCaller}
		if p.Tenant {
			variants = map[string]tenancy{p.Path: tenantIsDefault, tenantPath + p.Path: tenantOfPath}
		}
		for pattern, tenancy := range variants {
			r := p.route(s.deps.Product, pattern)
			r.serve, r.tenancy = serve, tenancy
			if err := s.protocols.add(r); err != nil {
				faults = append(faults, err)
			} else {
				s.routes = append(s.routes, r)
			}
		}
	}

	return errors.Join(faults...)
}

// check refuses a route that is not whole or contradicts itself.
func (p Protocol) check() error {
	under := func(prefix string) bool { return p.Path == prefix || strings.HasPrefix(p.Path, prefix+"/") }
	switch {
	case p.Handler == nil || !strings.HasPrefix(p.Path, "/"):
		return errors.New("a route needs a path and a handler")
	case !slices.Contains(methods, p.Method):
		return errors.New("the method is unknown")
	case !slices.Contains([]string{ClientBrowser, ClientService, ClientEither}, p.Client):
		return fmt.Errorf("the type of client %q is unknown", p.Client)
	case under("/service") && p.Client != ClientService, under("/browser") && p.Client != ClientBrowser:
		return errors.New("the prefix is for the other type of client")
	case under("/service" + apiPath), under("/browser" + apiPath):
		return errors.New("the path is the API's")
	case under("/t"):
		return errors.New("paths of tenants follow from Tenant")
	case p.Anonymous && len(p.Scopes) > 0:
		return errors.New("it is for anybody and needs scopes")
	case p.Light && !p.Anonymous:
		return errors.New("it is light and not for anybody")
	default:
		return nil
	}
}

func (p Protocol) route(product, pattern string) *route {
	scopes := make([][]string, len(p.Scopes))
	for i, all := range p.Scopes {
		for _, scope := range all {
			if permission, ok := strings.CutPrefix(scope, "$product:"); ok {
				scope = product + ":" + permission
			}
			scopes[i] = append(scopes[i], scope)
		}
	}
	name := p.Method + " " + pattern

	return &route{
		method: p.Method, pattern: pattern, name: name, operation: name, handler: p.Handler, anonymous: p.Anonymous, scopes: scopes,
		changes: p.Method != http.MethodGet && p.Method != http.MethodHead, page: p.Client == ClientBrowser, crossSite: p.CrossSite,
		maxBody: p.MaxBody,
	}
}

func (p *protocols) add(r *route) error {
	byMethod := p.routes[r.pattern]
	if byMethod == nil {
		byMethod = map[string]*route{}
		p.routes[r.pattern] = byMethod
	}
	if byMethod[r.method] != nil {
		return fmt.Errorf("%s is there twice", r.name)
	}
	byMethod[r.method] = r

	return addPattern(p.mux, r.method, r.pattern)
}

// resolve finds the route of a path; HEAD is GET without the content (RFC 9110 section 9.3.2).
func (p *protocols) resolve(c *call, method, path string) bool {
	if len(p.routes) == 0 {
		return false
	}
	found := p.routes[p.mux.Find(&c.params, method, path)][method]
	if found == nil && method == http.MethodHead {
		found = p.routes[p.mux.Find(&c.params, http.MethodGet, path)][http.MethodGet]
	}
	if found == nil {
		return false
	}
	switch found.tenancy {
	case tenantIsDefault:
		c.tenant = DefaultTenant
	case tenantOfPath:
		if c.tenant = c.parameter("tenant"); !isTenant(c.tenant) {
			return false
		}
		c.tenantInPath = true
	case tenantOfCaller:
	}
	c.route = found

	return true
}

// allowed lists the methods of a path.
func (p *protocols) allowed(path string) []string {
	var out []string
	for _, method := range methods {
		c := &call{}
		if p.resolve(c, method, path) {
			out = append(out, method)
		}
	}

	return out
}
