package guarded

import (
	"net/netip"
	"slices"
)

// refusedPrefixes are what is not globally reachable unicast, with the reason: the IANA special-purpose address registries for IPv4 and IPv6
// (RFC 6890), multicast (RFC 5771), and the addresses at which clouds tell machines their credentials.
var refusedPrefixes = []struct{ prefix, reason string }{
	{"0.0.0.0/8", "unspecified"},
	{"10.0.0.0/8", "private"},
	{"100.64.0.0/10", "shared"},
	{"127.0.0.0/8", "loopback"},
	{"169.254.0.0/16", "link-local"},
	{"172.16.0.0/12", "private"},
	{"192.0.0.0/24", "reserved"},
	{"192.0.2.0/24", "documentation"},
	{"192.88.99.0/24", "reserved"},
	{"192.168.0.0/16", "private"},
	{"198.18.0.0/15", "benchmarking"},
	{"198.51.100.0/24", "documentation"},
	{"203.0.113.0/24", "documentation"},
	{"224.0.0.0/4", "multicast"},
	{"240.0.0.0/4", "reserved"},
	{"::/128", "unspecified"},
	{"::1/128", "loopback"},
	{"fc00::/7", "unique local"},
	{"fe80::/10", "link-local"},
	{"fec0::/10", "site-local"},
	{"ff00::/8", "multicast"},
	{"2001::/23", "reserved"},
	{"2001:db8::/32", "documentation"},
	{"3fff::/20", "documentation"},
}

// metadataAddresses are where clouds hand credentials to their machines: link-local ones (AWS, Azure, Google and others; ECS tasks), AWS over
// IPv6, Oracle's and Alibaba's, and Azure's wire server, which is a public address.
var metadataAddresses = []string{
	"169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "192.0.0.192", "100.100.100.200", "168.63.129.16",
}

// rule is a prefix that is refused.
type rule struct {
	prefix netip.Prefix
	reason string
}

// judge decides about addresses.
type judge struct {
	allow     []netip.Prefix
	metadata  []netip.Addr
	refused   []rule
	unicast   netip.Prefix // all of IPv6 that is given out (RFC 4291 section 2.4)
	nat64     netip.Prefix // RFC 6052 section 2.1
	sixToFour netip.Prefix // RFC 3056 section 2
}

func newJudge(allow []netip.Prefix) judge {
	j := judge{
		unicast: netip.MustParsePrefix("2000::/3"), nat64: netip.MustParsePrefix("64:ff9b::/96"), sixToFour: netip.MustParsePrefix("2002::/16"),
	}
	for _, prefix := range allow {
		if prefix.Addr().Is4In6() && prefix.Bits() >= 96 {
			prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
		}
		j.allow = append(j.allow, prefix)
	}
	for _, text := range metadataAddresses {
		j.metadata = append(j.metadata, netip.MustParseAddr(text))
	}
	for _, r := range refusedPrefixes {
		j.refused = append(j.refused, rule{netip.MustParsePrefix(r.prefix), r.reason})
	}
	return j
}

// refusal is why an address is not dialled, or empty.
func (j judge) refusal(address netip.Addr) string {
	if address.Zone() != "" {
		return "scoped"
	}
	address = address.Unmap()
	isMetadata := slices.Contains(j.metadata, address)
	for _, prefix := range j.allow {
		if prefix.Contains(address) && (!isMetadata || prefix.IsSingleIP()) {
			return ""
		}
	}
	if isMetadata {
		return "cloud metadata"
	}
	if embedded, ok := j.embedded(address); ok {
		return j.refusal(embedded)
	}
	for _, r := range j.refused {
		if r.prefix.Contains(address) {
			return r.reason
		}
	}
	if address.Is6() && !j.unicast.Contains(address) {
		return "reserved"
	}
	return ""
}

// embedded is the IPv4 address inside an IPv6 address to which a translator or relay would send the packets.
func (j judge) embedded(address netip.Addr) (netip.Addr, bool) {
	bytes := address.As16()
	switch {
	case j.nat64.Contains(address):
		return netip.AddrFrom4([4]byte(bytes[12:16])), true
	case j.sixToFour.Contains(address):
		return netip.AddrFrom4([4]byte(bytes[2:6])), true
	default:
		return netip.Addr{}, false
	}
}
