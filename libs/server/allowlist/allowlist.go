// Package allowlist decides by network address who may come in, and finds out which address a request comes from when proxies stand
// between. Its main types are [List] and [Proxies].
//
// A proxy is believed only when it is on the list of trusted ones, and only what it says of the hop before itself: the chain is read
// from the right, which the nearest proxy wrote, to the first address that is not trusted. What stands left of that one is the client's
// own invention. Forwarded is RFC 7239; X-Forwarded-For has no standard.
package allowlist

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// List is a set of networks, IPv4 and IPv6. It is not changed once made.
type List struct {
	sizes    []int // the prefix lengths that occur, IPv4 as those of IPv4
	prefixes map[netip.Prefix]struct{}
}

// Parse makes a List of networks in CIDR notation and of single addresses. Networks with bits beyond their length, which are mostly
// slips, and IPv4 addresses in IPv6 form are refused.
func Parse(networks []string) (*List, error) {
	l := &List{prefixes: make(map[netip.Prefix]struct{}, len(networks))}
	for _, text := range networks {
		prefix, err := parse(text)
		if err != nil {
			return nil, err
		}
		l.prefixes[prefix] = struct{}{}
		if !slices.Contains(l.sizes, prefix.Bits()) {
			l.sizes = append(l.sizes, prefix.Bits())
		}
	}

	return l, nil
}

func parse(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		address, err := netip.ParseAddr(text)
		if err != nil || address.Zone() != "" || address.Is4In6() {
			return netip.Prefix{}, fmt.Errorf("%q is neither an address nor a network", text)
		}

		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	switch {
	case err != nil || prefix.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("%q is neither an address nor a network", text)
	case prefix != prefix.Masked():
		return netip.Prefix{}, fmt.Errorf("%q has bits beyond its length; the network is %s", text, prefix.Masked())
	default:
		return prefix, nil
	}
}

// Empty tells whether the list has no networks.
func (l *List) Empty() bool { return len(l.prefixes) == 0 }

// Contains tells whether one of the networks has the address. It costs a look-up for each length of prefix that occurs.
func (l *List) Contains(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	for _, size := range l.sizes {
		prefix, err := address.Prefix(size)
		if err != nil { // longer than the address
			continue
		}
		if _, listed := l.prefixes[prefix]; listed {
			return true
		}
	}

	return false
}
