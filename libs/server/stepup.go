package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// demandStepUp lets sensitive operations happen only shortly after an authentication: a person's, or a program's with a credential that is
// bound to it. What a quorum has approved needs neither.
func (s *Server) demandStepUp(next handler) handler {
	return func(c *call, w http.ResponseWriter, r *http.Request) {
		if !c.route.stepUp || s.fresh(c) {
			next(c, w, r)

			return
		}
		if s.deps.Approved != nil {
			approved, err := s.deps.Approved(c, r, c.principal, c.route.operation)
			if err != nil {
				s.fail(c, w, r, err)

				return
			}
			if approved {
				next(c, w, r)

				return
			}
		}
		detail := "log in again and repeat the request"
		if !c.principal.Person() {
			detail = "use a fresh credential that is bound to its sender, or have a quorum approve the request"
		}
		s.fail(c, w, r, problem.New(problem.StepUpRequired, "%s", detail))
	}
}

func (s *Server) fresh(c *call) bool {
	p := c.principal
	if p.AuthenticatedAt.IsZero() || !p.Person() && !p.Confirmed {
		return false
	}
	age := s.now().Sub(p.AuthenticatedAt)

	return age >= -clockSkew && age < c.stepUpAge()
}

// clockSkew is how far ahead another machine's clock may be.
const clockSkew = time.Minute

// stepUpAge is how old the caller's authentication may be.
func (c *call) stepUpAge() time.Duration {
	if c.principal != nil && c.principal.Person() {
		return c.settings.stepUp.Person
	}

	return c.settings.stepUp.Program
}

// stepUpParameters are those of a challenge for a fresh authentication (RFC 9470 section 3).
func (c *call) stepUpParameters() string {
	return `error="insufficient_user_authentication", error_description="A more recent authentication is required", max_age="` +
		strconv.FormatInt(int64(c.stepUpAge()/time.Second), 10) + `"`
}
