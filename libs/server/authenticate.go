package server

import (
	"errors"
	"net/http"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// sessionCookie begins the names of all session cookies.
const sessionCookie = "__Host-cu-"

// authenticateProgram is for /service: a credential in the Authorization header. A browser's session is refused by name, so that
// nobody takes it for a wrong credential.
func (s *Server) authenticateProgram(next handler) handler {
	return func(c *call, w http.ResponseWriter, r *http.Request) {
		if c.anonymous() {
			next(c, w, r)

			return
		}
		if len(r.Header["Authorization"]) == 0 && hasSessionCookie(r) {
			s.fail(c, w, r, problem.New(problem.WrongClientType, "a browser session is for /browser; programs present a credential"))

			return
		}
		if len(r.Header["Authorization"]) > 1 {
			s.fail(c, w, r, problem.New(problem.Unauthenticated, "present one credential"))

			return
		}
		principal, err := s.deps.Auth.Authenticate(c, r)
		if err == nil && principal == nil {
			err = errors.New("the authenticator returned neither a principal nor an error")
		}
		if err != nil {
			s.fail(c, w, r, err)

			return
		}
		c.principal = principal
		next(c, w, r)
	}
}

// authenticateBrowser is for /browser: a session, which no service issues yet.
func (s *Server) authenticateBrowser(next handler) handler {
	return func(c *call, w http.ResponseWriter, r *http.Request) {
		switch {
		case len(r.Header["Authorization"]) > 0:
			s.fail(c, w, r, problem.New(problem.WrongClientType, "a program's credential is for /service; browsers present a session"))
		case c.anonymous():
			next(c, w, r)
		default:
			s.fail(c, w, r, problem.New(problem.SessionRequired, "log in first"))
		}
	}
}

// anonymous tells whether anybody may call the operation.
func (c *call) anonymous() bool { return c.route != nil && c.route.op.Anonymous }

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
		if c.route == nil {
			s.fail(c, w, r, c.face.unknown(w, r))

			return
		}
		op := c.route.op
		switch {
		case op.Anonymous:
			next(c, w, r)
		case c.principal == nil:
			s.fail(c, w, r, problem.New(problem.Unauthenticated, "present a credential"))
		case !op.Permits(c.principal.Scopes):
			s.fail(c, w, r, problem.New(problem.InsufficientScope, "the operation needs %s", scopeWords(op.Scopes)))
		default:
			next(c, w, r)
		}
	}
}

func scopeWords(alternatives [][]string) string {
	words := make([]string, len(alternatives))
	for i, all := range alternatives {
		words[i] = strings.Join(all, " with ")
	}

	return strings.Join(words, " or ")
}
