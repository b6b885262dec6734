package server

import (
	"net/http"
)

// stage is one step of the pipeline: it answers, or calls next.
type stage func(next handler) handler

// stages is the order in which every public request of a face is treated. This is the only place that knows it.
//
// Stages that do not exist yet have their place: the allowlist of addresses and the limit per address after observe, the tenant's
// status and the limits per client and per user after the authentication, the protection against cross-site requests with the
// prefix's headers, sessions within the authentication.
func (s *Server) stages(f *face) []stage {
	return []stage{
		s.recoverPanic, // the request id is in the call already: the answer to a panic names it
		s.boundInFlight,
		s.observe,
		s.boundHeader,
		s.checkSeal,
		f.sendHeaders,
		f.authenticate,
		s.authorize,
		s.validate,
		s.repeat,
	}
}

// outside are the stages for paths that belong to no prefix, where there is nothing.
func (s *Server) outside() []stage {
	return []stage{s.recoverPanic, s.boundInFlight, s.observe, s.boundHeader}
}

// chain makes one handler of stages and what lies behind them.
func chain(stages []stage, last handler) handler {
	for i := len(stages) - 1; i >= 0; i-- {
		last = stages[i](last)
	}

	return last
}

// ServeHTTP is the public listener's handler: it begins the call, finds its face and route, which no answer depends on before the
// authorization, and sends it down the pipeline.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := newCall(w, r)
	s.resolve(c, r)
	c.face.serve(c, &c.response, r.WithContext(c))
}
