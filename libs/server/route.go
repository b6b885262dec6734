package server

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/server/contract"
)

// route is one method of one path, as the pipeline needs to know it: an operation of a document under one prefix, or a protocol route.
type route struct {
	method    string
	pattern   string              // with the prefix
	name      string              // method and pattern
	operation string              // what audit knows it by
	op        *contract.Operation // nil for a protocol route
	handler   http.Handler
	serve     handler // the stages that it passes

	anonymous bool
	scopes    [][]string // alternatives
	resource  string     // the kind of what it is about, where scopes for single ones can be granted
	feature   string
	stepUp    bool
	changes   bool  // it is there to change something
	page      bool  // people look at it
	crossSite bool  // other sites may post to it
	maxBody   int64 // of a protocol route
	tenancy   tenancy
	marks     marks
}

// tenancy says where a route's tenant comes from when there is no caller.
type tenancy int

const (
	tenantOfCaller  tenancy = iota
	tenantIsDefault         // the path also stands under /t/{tenant}, and this is the one without
	tenantOfPath
)

// newRoute makes the route of an operation under a prefix.
func newRoute(base string, op *contract.Operation, h http.Handler) *route {
	pattern := base + op.Path

	return &route{
		method: op.Method, pattern: pattern, name: op.Method + " " + pattern, operation: op.ID, op: op, handler: h,
		anonymous: op.Anonymous, scopes: op.Scopes, resource: op.Resource, feature: op.Feature, stepUp: op.StepUp, changes: op.Changes(),
	}
}

// Route is one method of one path of the public listener.
type Route struct {
	Method, Pattern string
	// Alias is the pattern at which programs find it too; "" for none.
	Alias string
	// Operation is the operationId, or method and pattern for a route that no document describes.
	Operation string
	Anonymous bool
	// Scopes are alternatives, each a set of scopes that a caller must hold in full; none for any caller.
	Scopes [][]string
}

// Routes lists everything that the public listener serves, in the order of pattern and method.
func (s *Server) Routes() []Route {
	var out []Route
	for _, r := range s.routes {
		alias := ""
		if r.op != nil && strings.HasPrefix(r.pattern, "/service/") {
			alias = r.op.Alias
		}
		out = append(out, Route{Method: r.method, Pattern: r.pattern, Alias: alias, Operation: r.operation, Anonymous: r.anonymous, Scopes: r.scopes})
	}

	slices.SortFunc(out, func(a, b Route) int {
		return cmp.Or(cmp.Compare(a.Pattern, b.Pattern), cmp.Compare(a.Method, b.Method))
	})

	return out
}
