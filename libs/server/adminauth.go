package server

import (
	"cmp"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// RealmAdminToken is the realm of those who hold the admin token: they can read the service's data directory.
const RealmAdminToken = "admin_token"

// identifyOperator finds out who asks on the admin listener.
func (s *Server) identifyOperator(c *call, r *http.Request) (*Principal, error) {
	if s.holdsToken(r) {
		return &Principal{Realm: RealmAdminToken, Kind: KindClient, ID: AdminTokenFile, Name: "holder of the admin token", AuthenticatedAt: s.now()}, nil
	}
	refusal := problem.New(problem.Unauthenticated, "present the token in %s as a bearer token", AdminTokenFile)
	presented := len(r.Header["Authorization"]) > 0 || r.TLS != nil && len(r.TLS.PeerCertificates) > 0
	if s.deps.AdminAuth == nil || !presented {
		return nil, refusal
	}
	if peers, ok := s.adminTLS.(PeerChecker); ok && r.TLS != nil {
		if err := peers.CheckPeer(c, r.TLS); err != nil {
			return nil, refusal.Because(err)
		}
	}
	principal, err := s.deps.AdminAuth.Operator(c, r)
	if err == nil && principal == nil {
		return nil, refusal
	}

	return principal, err
}

// holdsToken compares in constant time.
func (s *Server) holdsToken(r *http.Request) bool {
	values := r.Header["Authorization"]
	if len(values) != 1 {
		return false
	}
	token, ok := strings.CutPrefix(values[0], "Bearer ")

	return ok && subtle.ConstantTimeCompare([]byte(token), s.adminToken) == 1
}

// auditAdmin tells the auditor of what changes something on the admin listener and of what is refused there.
func (s *Server) auditAdmin(next handler) handler {
	if s.deps.Auditor == nil {
		return next
	}

	return func(c *call, w http.ResponseWriter, r *http.Request) {
		defer func() {
			refused := c.response.status >= http.StatusBadRequest
			if r.Method == http.MethodGet && (!refused || c.code == "") { // health has no code
				return
			}
			o := s.observation(c, r)
			o.Operation, o.DataPlane = c.method(r)+" "+cmp.Or(c.adminPattern, unmatchedPattern(adminPath)), false
			s.deps.Auditor.Observe(c, o)
		}()
		next(c, w, r)
	}
}
