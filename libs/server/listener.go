package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// TLS is where a listener gets its certificate from. It may also be a [PeerChecker] and an [ExpiryReporter].
type TLS interface {
	// ServerConfig returns a configuration that follows renewals; the server does not change it.
	ServerConfig() *tls.Config
}

// PeerChecker is asked with every request whether the certificate of its connection still admits the client, because a connection
// outlives a revocation. It returns nil for a connection without a client certificate. An error without a code is unauthenticated.
type PeerChecker interface {
	CheckPeer(ctx context.Context, state *tls.ConnectionState) error
}

// ExpiryReporter tells how long certificates are good for, the served one first.
type ExpiryReporter interface {
	Expiry() []tlsconfig.Expiry
}

// listener is one of the listeners that callers reach. All serve the same routes.
type listener struct {
	server *Server
	peers  PeerChecker // nil where clients have no certificates
	demand bool        // of a client certificate
}

func (s *Server) newListener(source TLS, demand bool) *listener {
	peers, _ := source.(PeerChecker)

	return &listener{server: s, peers: peers, demand: demand}
}

// ServeHTTP begins the call, finds its route, which no answer depends on before the authorization, and sends it down the pipeline.
func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := l.server
	r = s.aliases.resolve(r)
	c := newCall(s, w, r)
	c.listener = l
	c.settings = s.settings.Load()
	c.address = c.settings.proxies.Client(r)
	serve := s.resolve(c, r)
	serve(c, &c.response, r.WithContext(c))
}

// checkPeer refuses a client certificate that is not in force any more, and its absence where it is demanded: the handshake has done
// so, unless its configuration says otherwise than it should.
func (s *Server) checkPeer(next handler) handler {
	return func(c *call, w http.ResponseWriter, r *http.Request) {
		if err := c.listener.check(c, r.TLS); err != nil {
			s.fail(c, w, r, err)

			return
		}
		next(c, w, r)
	}
}

func (l *listener) check(ctx context.Context, state *tls.ConnectionState) error {
	presented := state != nil && len(state.PeerCertificates) > 0
	if l.demand && !presented {
		return problem.New(problem.Unauthenticated, "present a client certificate")
	}
	if !presented || l.peers == nil {
		return nil
	}
	err := l.peers.CheckPeer(ctx, state)
	var coded problem.Coded
	if err == nil || errors.As(err, &coded) && coded.ErrorCode() != problem.Unauthenticated {
		return err
	}

	return problem.New(problem.Unauthenticated, "the client certificate is not accepted").Because(err)
}

// checkMTLS refuses a listener for client certificates that would not ask for them.
func (s *Server) checkMTLS() error {
	switch address := s.config.MTLS.Address; {
	case s.deps.MTLS == nil && address == "":
		return nil
	case s.deps.MTLS == nil:
		return fmt.Errorf("mtls.address is %s and there is no certificate for it", address)
	case address == "":
		return errors.New("there is a certificate for the mTLS listener, and mtls.address is empty")
	case s.deps.MTLS.ServerConfig().ClientAuth != tls.RequireAndVerifyClientCert:
		return errors.New("the mTLS listener must require client certificates and verify them")
	default:
		return nil
	}
}
