package server

import (
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// audit tells the auditor of the request, or of each of its uses, exactly once, when it is answered.
func (s *Server) audit(next handler) handler {
	if s.deps.Auditor == nil {
		return next
	}

	return func(c *call, w http.ResponseWriter, r *http.Request) {
		defer func() {
			o := s.observation(c, r)
			if len(c.uses) == 0 {
				s.deps.Auditor.Observe(c, o)
			}
			for _, use := range c.uses {
				s.deps.Auditor.Observe(c, o.of(use))
			}
		}()
		next(c, w, r)
	}
}

func (s *Server) observation(c *call, r *http.Request) Observation {
	o := Observation{
		Time: s.now(), Tenant: c.tenantKnown, Principal: c.principal, ObjectKind: c.object.kind, ObjectID: c.object.id,
		ObjectVersion: c.object.version, Code: c.code, RequestID: c.requestID(), Address: c.address, Recorded: c.recorded,
	}
	if c.principal != nil {
		o.Tenant = c.principal.Tenant
	}
	if c.route != nil {
		o.Operation, o.DataPlane = c.route.operation, !c.route.changes
	} else {
		o.Operation = c.spanName(r)
	}
	o.Outcome = c.outcome()

	return o
}

// outcome tells what became of a request. A handler of another standard says it by the status alone.
func (c *call) outcome() string {
	switch status := c.response.status; {
	case c.cut:
		return OutcomeFailed
	case c.code == problem.Overloaded, c.code == problem.HeadersTooLarge:
		return OutcomeDenied
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusTooManyRequests:
		return OutcomeDenied
	case status == http.StatusNotFound && c.principal != nil && c.tenant != "" && c.tenant != c.principal.Tenant:
		return OutcomeDenied
	case status >= http.StatusBadRequest:
		return OutcomeFailed
	default:
		return OutcomeAllowed
	}
}
