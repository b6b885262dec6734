package server

import (
	"net"
	"net/http"
)

// AdminHandler is what the admin listener serves.
func (s *Server) AdminHandler() http.Handler { return s.adminHandler() }

// URLOf is how a listener's address is told.
func URLOf(l net.Listener) string { return urlOf(l) }
