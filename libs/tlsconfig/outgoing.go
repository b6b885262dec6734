package tlsconfig

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"
)

// connectTimeout bounds a connection without its handshake.
const connectTimeout = 5 * time.Second

// statusTimeout bounds the look at a peer's status in a handshake.
const statusTimeout = 10 * time.Second

// Outgoing says whom a client trusts and as whom it calls.
type Outgoing struct {
	Roots       *Authorities  // nil: the system's roots
	Certificate *Material     // presented to servers that ask; nil: none
	Status      StatusChecker // asked about the servers' certificates; nil when revocation is not looked at
}

// Config is for one connection: it holds the roots as they are now. Those that are made later see later roots; [Outgoing.DialTLS] makes one each time.
func (o Outgoing) Config() *tls.Config {
	config := ClientConfig(nil)
	if o.Roots != nil {
		config.RootCAs = o.Roots.Pool()
	}
	if o.Certificate != nil {
		config.GetClientCertificate = func(ask *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if c := o.Certificate.current.Load(); ask.SupportsCertificate(c) == nil {
				return c, nil
			}
			return &tls.Certificate{}, nil // none: the server decides
		}
	}
	if o.Status != nil {
		config.VerifyConnection = func(state tls.ConnectionState) error {
			ctx, cancel := context.WithTimeout(context.Background(), statusTimeout)
			defer cancel()
			return o.verify(ctx, state)
		}
	}
	return config
}

// DialTLS connects, shakes hands (HTTP/2 and HTTP/1.1 by ALPN) and verifies chain, name and status. It fits http.Transport.DialTLSContext.
func (o Outgoing) DialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	config := o.Config()
	config.ServerName, config.NextProtos = host, []string{"h2", "http/1.1"}
	if o.Status != nil {
		config.VerifyConnection = func(state tls.ConnectionState) error { return o.verify(ctx, state) }
	}
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: connectTimeout}, Config: config}
	connection, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	return connection, nil
}

// verify looks at the status of a server whose chain and name are verified.
func (o Outgoing) verify(ctx context.Context, state tls.ConnectionState) error {
	if taker, ok := o.Status.(StapleTaker); ok && len(state.OCSPResponse) > 0 {
		for _, chain := range state.VerifiedChains {
			taker.TakeStaple(chain, state.OCSPResponse)
		}
	}
	if err := acceptAny(ctx, state.VerifiedChains, time.Now(), nil, o.Status); err != nil {
		return &PeerError{err}
	}
	return nil
}
