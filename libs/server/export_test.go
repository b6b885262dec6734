package server

import "net/http"

// AdminHandler is what the admin listener serves.
func (s *Server) AdminHandler() http.Handler { return s.adminHandler() }
