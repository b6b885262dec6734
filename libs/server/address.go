package server

import (
	"context"
	"net/http"
	"net/netip"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// networkBits is how much of an IPv6 address stands for one client: what a site gives to one network (RFC 4291 section 2.5.4).
const networkBits = 64

// AddressFrom returns the address of the client of the request that ctx belongs to; behind trusted proxies the one that they name. It is
// the zero Addr outside of a request.
func AddressFrom(ctx context.Context) netip.Addr {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		return netip.Addr{}
	}

	return c.address
}

// networkOf is what the limits count an address as.
func networkOf(address netip.Addr) netip.Addr {
	if !address.Is6() {
		return address
	}
	prefix, err := address.Prefix(networkBits)
	if err != nil {
		return address
	}

	return prefix.Addr()
}

// allowAddress refuses addresses that the operator has not listed.
func (s *Server) allowAddress(next handler) handler {
	return func(c *call, w http.ResponseWriter, r *http.Request) {
		if allow := c.settings.allow; allow != nil && !allow.Contains(c.address) {
			s.fail(c, w, r, problem.New(problem.IPNotAllowed, "the service takes no requests from this address"))

			return
		}
		next(c, w, r)
	}
}

// peerOf is the address at the other end of the connection.
func peerOf(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}

	return peer.Addr().Unmap().WithZone("")
}
