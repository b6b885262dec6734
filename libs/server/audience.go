package server

import "net/http"

// audience is a type of clients: what they are sent beside answers, and what they may come in with.
type audience struct {
	headers  http.Header
	programs bool // a credential in the Authorization header, or a client certificate
	browsers bool // a session
}

func (s *Server) programs() *audience { return &audience{headers: serviceHeaders(), programs: true} }

func (s *Server) browsers() *audience { return &audience{headers: browserHeaders(), browsers: true} }
func (s *Server) pages() *audience    { return &audience{headers: pageHeaders(), browsers: true} }
func (s *Server) anybody() *audience {
	return &audience{headers: serviceHeaders(), programs: true, browsers: true}
}
