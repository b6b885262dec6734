package federation

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Resolver finds addresses. *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

const (
	dialTimeout      = 5 * time.Second
	handshakeTimeout = 5 * time.Second
	// idleTimeout bounds how long a connection is kept without calls, and thereby how long a peer's old address is used.
	idleTimeout = 30 * time.Second
	// maxAnswerHeader bounds the header of an answer, in bytes.
	maxAnswerHeader = 64 << 10
	// connectionsPerPeer bounds the connections to one address.
	connectionsPerPeer = 32
)

// dialer asks the resolver at every dial and tries the addresses in their order.
type dialer struct {
	resolver Resolver
	dialer   net.Dialer
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addresses, err := d.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("resolve: %w", err)
	}
	if len(addresses) == 0 {
		return nil, fmt.Errorf("resolve: %s has no address", host)
	}
	var failures []error
	for i, found := range addresses {
		one, cancel := shareOf(ctx, len(addresses)-i)
		conn, err := d.dialer.DialContext(one, network, net.JoinHostPort(found.Unmap().String(), port))
		cancel()
		if err == nil {
			return conn, nil
		}
		failures = append(failures, err)
	}
	return nil, errors.Join(failures...)
}

// shareOf gives one of n remaining addresses its share of the time, so that the first that is silent does not take all of it.
func shareOf(ctx context.Context, n int) (context.Context, context.CancelFunc) {
	limit := dialTimeout
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline)/time.Duration(n))
	}
	return context.WithTimeout(ctx, limit)
}

// newTransport is for one peer. No proxy: peers are named by their own address.
func newTransport(resolver Resolver, security *tls.Config) *http.Transport {
	d := &dialer{resolver: resolver}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	return &http.Transport{
		DialContext:            d.dial,
		TLSClientConfig:        security,
		TLSHandshakeTimeout:    handshakeTimeout,
		Protocols:              protocols,
		IdleConnTimeout:        idleTimeout,
		MaxConnsPerHost:        connectionsPerPeer,
		MaxIdleConnsPerHost:    connectionsPerPeer,
		MaxResponseHeaderBytes: maxAnswerHeader,
		DisableCompression:     true,
	}
}
