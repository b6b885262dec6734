package server

import (
	"net/http"
)

// stage is one step of the pipeline: it answers, or calls next.
type stage func(next handler) handler

// stages is the order in which every public request is treated. This is the only place that knows it; the other lists leave out what
// does not concern their routes and change nothing of the order.
func (s *Server) stages(a *audience) []stage {
	return []stage{
		s.audit,        // last to know: it sees what became of the request, panics and refusals included
		s.recoverPanic, // the request id is in the call already: the answer to a panic names it
		s.boundInFlight,
		s.observe,
		s.boundHeader,
		s.allowAddress,
		s.limitAddress,
		s.checkSeal,
		sendHeaders(a.headers),
		s.shareOrigins(a),
		s.refuseCrossSite(a),
		s.checkPeer,
		s.authenticate(a),
		s.admitTenant,
		s.limitCaller,
		s.authorize,
		s.demandStepUp,
		s.validate,
		s.repeat,
	}
}

// protocolStages are for routes whose request is described by another standard than our document.
func (s *Server) protocolStages(a *audience) []stage {
	return []stage{
		s.audit, s.recoverPanic, s.boundInFlight, s.observe, s.boundHeader, s.allowAddress, s.limitAddress, s.checkSeal, sendHeaders(a.headers),
		s.shareOrigins(a), s.refuseCrossSite(a), s.checkPeer, s.authenticate(a), s.admitTenant, s.limitCaller, s.authorize, s.boundBody,
	}
}

// lightStages are for public objects that are asked for at high rates.
func (s *Server) lightStages(a *audience) []stage {
	return []stage{
		s.recoverPanic, s.boundInFlight, s.boundHeader, s.allowAddress, s.limitAddress, sendHeaders(a.headers), s.shareOrigins(a), s.admitTenant, s.boundBody,
	}
}

// outside are the stages for paths that belong to no prefix and no protocol, where there is nothing.
func (s *Server) outside() []stage {
	return []stage{
		s.audit, s.recoverPanic, s.boundInFlight, s.observe, s.boundHeader, s.allowAddress, s.limitAddress, sendHeaders(browserHeaders()),
	}
}

// chain makes one handler of stages and what lies behind them.
func chain(stages []stage, last handler) handler {
	for i := len(stages) - 1; i >= 0; i-- {
		last = stages[i](last)
	}

	return last
}

// ServeHTTP is the public listener's handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.public.ServeHTTP(w, r) }
