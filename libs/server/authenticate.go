package server

import (
	"errors"
	"net/http"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/server/contract"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// sessionCookie begins the names of all session cookies.
const sessionCookie = "__Host-cu-"

// authenticate finds out who calls. Prefixes are for one type of client each, and the other is refused by name, so that nobody takes a
// session for a wrong credential.
func (s *Server) authenticate(a *audience) stage {
	identify := s.identifyProgram
	switch {
	case a.programs && a.browsers:
		identify = s.identifyEither
	case a.browsers:
		identify = s.identifyBrowser
	}

	return func(next handler) handler {
		return func(c *call, w http.ResponseWriter, r *http.Request) {
			principal, err := identify(c, r)
			if err != nil {
				s.fail(c, w, r, err)

				return
			}
			c.principal = principal
			next(c, w, r)
		}
	}
}

// identifyProgram takes a credential in the Authorization header, or what the authenticator finds in the connection.
func (s *Server) identifyProgram(c *call, r *http.Request) (*Principal, error) {
	switch credentials := r.Header["Authorization"]; {
	case c.anonymous():
		return nil, nil //nolint:nilnil // nobody needs to be known
	case len(credentials) == 0 && hasSessionCookie(r):
		return nil, problem.New(problem.WrongClientType, "a browser session is for /browser; programs present a credential")
	case len(credentials) > 1:
		return nil, problem.New(problem.Unauthenticated, "present one credential")
	}
	principal, err := s.deps.Auth.Authenticate(c, r)
	if err == nil && principal == nil {
		err = errors.New("the authenticator returned neither a principal nor an error")
	}

	return principal, err
}

// identifyBrowser takes a session.
func (s *Server) identifyBrowser(c *call, r *http.Request) (*Principal, error) {
	switch {
	case len(r.Header["Authorization"]) > 0:
		return nil, problem.New(problem.WrongClientType, "a program's credential is for /service; browsers present a session")
	case c.anonymous():
		return nil, nil //nolint:nilnil // nobody needs to be known
	case s.deps.Sessions == nil || !hasSessionCookie(r):
		return nil, problem.New(problem.SessionRequired, "log in first")
	}
	principal, err := s.deps.Sessions.Session(c, r)
	if err == nil && principal == nil {
		err = errors.New("the sessions returned neither a principal nor an error")
	}

	return principal, err
}

// identifyEither takes what there is.
func (s *Server) identifyEither(c *call, r *http.Request) (*Principal, error) {
	if len(r.Header["Authorization"]) == 0 && hasSessionCookie(r) {
		return s.identifyBrowser(c, r)
	}

	return s.identifyProgram(c, r)
}

// anonymous tells whether anybody may call the operation.
func (c *call) anonymous() bool { return c.route != nil && c.route.anonymous }

func hasSessionCookie(r *http.Request) bool {
	for _, line := range r.Header["Cookie"] {
		for pair := range strings.SplitSeq(line, ";") {
			if strings.HasPrefix(strings.TrimSpace(pair), sessionCookie) {
				return true
			}
		}
	}

	return false
}

// authorize decides whether the caller may use the operation, before anything else of the request is looked at. What does not exist
// is said to be missing only now: a stranger does not learn it.
func (s *Server) authorize(next handler) handler {
	return func(c *call, w http.ResponseWriter, r *http.Request) {
		route := c.route
		if route == nil {
			s.fail(c, w, r, s.unknown(c, w, r))

			return
		}
		switch {
		case route.feature != "" && (s.deps.Features == nil || !s.deps.Features(route.feature)):
			s.fail(c, w, r, problem.New(problem.FeatureDisabled, "the feature %s is switched off", route.feature))
		case route.anonymous:
			next(c, w, r)
		case c.principal == nil:
			s.fail(c, w, r, problem.New(problem.Unauthenticated, "present a credential"))
		case !contract.Permits(route.scopes, c.principal.Scopes):
			if err := s.granted(c); err != nil {
				s.fail(c, w, r, err)

				return
			}
			next(c, w, r)
		default:
			next(c, w, r)
		}
	}
}

// granted is nil if the caller, who lacks the scopes, has been granted them for some resource and the operation is about one of these.
func (s *Server) granted(c *call) error {
	if c.route.resource != "" && s.deps.Granted != nil {
		some, err := s.deps.Granted(c, c.principal, c.route.scopes, c.route.resource)
		if err != nil || some {
			return err
		}
	}

	return problem.New(problem.InsufficientScope, "the operation needs %s", scopeWords(c.route.scopes))
}

func scopeWords(alternatives [][]string) string {
	words := make([]string, len(alternatives))
	for i, all := range alternatives {
		words[i] = strings.Join(all, " with ")
	}

	return strings.Join(words, " or ")
}
