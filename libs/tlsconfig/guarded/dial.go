package guarded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// maxAttempts is how many addresses of a name are tried.
const maxAttempts = 4

// dialer connects to addresses that the judge admits.
type dialer struct {
	judge    judge
	resolver Resolver
	ports    []uint16      // none for any
	timeout  time.Duration // for one address
}

// dial resolves the host once and connects to one of the addresses that were found. Addresses that are refused are left out; when none is left,
// nothing is dialled.
func (d *dialer) dial(ctx context.Context, network, hostPort string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, err
	}
	if number, err := strconv.ParseUint(port, 10, 16); len(d.ports) > 0 && (err != nil || !slices.Contains(d.ports, uint16(number))) {
		return nil, fmt.Errorf("%w: port %s", ErrBlocked, port)
	}
	addresses, err := d.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	var failures []error
	for i, address := range addresses {
		if i == maxAttempts {
			break
		}
		plain := net.Dialer{Timeout: d.timeout, KeepAlive: -1, Control: d.control}
		connection, err := plain.DialContext(ctx, network, net.JoinHostPort(address.String(), port))
		if err == nil {
			return connection, nil
		}
		failures = append(failures, err)
	}
	return nil, errors.Join(failures...)
}

// resolve gives the addresses of a host that may be dialled, at least one.
func (d *dialer) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	var found []netip.Addr
	if address, err := netip.ParseAddr(host); err == nil {
		found = []netip.Addr{address}
	} else if found, err = d.resolver.LookupNetIP(ctx, "ip", host); err != nil {
		return nil, fmt.Errorf("resolve %s: %w", host, err)
	}
	var admitted []netip.Addr
	var refused error
	for _, address := range found {
		if reason := d.judge.refusal(address); reason != "" {
			refused = &AddressError{Host: host, Address: address, Reason: reason}
			continue
		}
		admitted = append(admitted, address.Unmap())
	}
	if len(admitted) > 0 {
		return admitted, nil
	}
	if refused == nil {
		refused = fmt.Errorf("resolve %s: no address", host)
	}
	return nil, refused
}

// control looks at the address once more, as the system is about to use it.
func (d *dialer) control(_, hostPort string, _ syscall.RawConn) error {
	address, err := netip.ParseAddrPort(hostPort)
	if err != nil {
		return fmt.Errorf("%w: %s is not an address", ErrBlocked, hostPort)
	}
	if reason := d.judge.refusal(address.Addr()); reason != "" {
		return &AddressError{Host: hostPort, Address: address.Addr(), Reason: reason}
	}
	return nil
}
