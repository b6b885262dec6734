package server

import (
	"errors"
	"net/http"
	"runtime/debug"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// recoverPanic answers a panic with a 500, or, when an answer has begun, cuts it off.
func (s *Server) recoverPanic(next handler) handler {
	return func(c *call, w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			c.cut = true
			if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(cause)
			}
			s.log.ErrorContext(c, "panic in a request", "request_id", c.requestID(), "panic", cause, "stack", string(debug.Stack()))
			if c.response.status != 0 {
				panic(http.ErrAbortHandler)
			}
			s.answer(c, w, r, s.codes.Document(errPanicked, c.requestID()))
		}()
		next(c, w, r)
	}
}

// errPanicked stands for a panic, in an answer and in the metrics.
var errPanicked = errors.New("a handler panicked")

// boundInFlight refuses what would be too much at once.
func (s *Server) boundInFlight(next handler) handler {
	return func(c *call, w http.ResponseWriter, r *http.Request) {
		defer s.inFlight.Add(-1)
		if s.inFlight.Add(1) > c.settings.maxInFlight {
			s.measures.overloaded.Add(c, 1)
			s.fail(c, w, r, problem.New(problem.Overloaded, "try again in a moment"))

			return
		}
		next(c, w, r)
	}
}

// boundHeader holds a header to its limit exactly: net/http allows HTTP/1 some room beyond it.
func (s *Server) boundHeader(next handler) handler {
	limit := int(s.config.Limits.MaxHeader)

	return func(c *call, w http.ResponseWriter, r *http.Request) {
		size := len(r.Method) + len(r.RequestURI) + len(r.Host)
		for name, values := range r.Header {
			for _, value := range values {
				size += len(name) + len(value) + len(": \r\n")
			}
		}
		if size > limit {
			s.fail(c, w, r, problem.New(problem.HeadersTooLarge, "at most %s are taken", s.config.Limits.MaxHeader))

			return
		}
		next(c, w, r)
	}
}

// checkSeal refuses business while the barrier is sealed.
func (s *Server) checkSeal(next handler) handler {
	if s.deps.Barrier == nil {
		return next
	}

	return func(c *call, w http.ResponseWriter, r *http.Request) {
		if s.deps.Barrier.Sealed() {
			s.fail(c, w, r, problem.New(problem.Sealed, "unseal the service first"))

			return
		}
		next(c, w, r)
	}
}
