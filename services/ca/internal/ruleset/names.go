package ruleset

import (
	"net/netip"
	"strings"
)

// internalTops are top-level names that no public registry has: reserved by RFC 2606, RFC 6761, RFC 6762, RFC 7686, RFC 8375 and RFC 9476, set aside for
// private use by ICANN (2024-07-29), or kept out of the root for their use in private networks (ICANN, name collision reports). ".onion" is
// certified by rules of its own (TLS BR appendix B), which this program does not implement.
var internalTops = []string{
	"alt", "arpa", "corp", "domain", "example", "home", "internal", "intranet", "invalid", "lan", "local", "localdomain", "localhost", "mail",
	"onion", "private", "test", "workgroup",
}

// IsInternalName says whether a host name, in lower case, cannot be one of the public Domain Name System: a single label, or below a top-level name that
// is reserved. A top-level name that was never delegated is not known from this: validation finds no such domain.
func IsInternalName(name string) bool {
	name = strings.TrimPrefix(name, "*.")
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return true
	}
	top := name[dot+1:]
	for _, internal := range internalTops {
		if top == internal {
			return true
		}
	}
	return false
}

// reservedPrefixes are the entries of the IANA registries of special-purpose addresses (RFC 6890) that are not globally reachable, as TLS BR 1.6.1
// ("Reserved IP Address") refers to them.
var reservedPrefixes = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("224.0.0.0/4"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/128"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("::ffff:0:0/96"), netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("3fff::/20"), netip.MustParsePrefix("5f00::/16"), netip.MustParsePrefix("fc00::/7"),
	netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("fec0::/10"), netip.MustParsePrefix("ff00::/8"),
}

// IsReservedAddress says whether an address is not one of the public Internet.
func IsReservedAddress(address netip.Addr) bool {
	for _, prefix := range reservedPrefixes {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}

// IsReservedPrefix says whether no address of a prefix is one of the public Internet.
func IsReservedPrefix(prefix netip.Prefix) bool {
	for _, reserved := range reservedPrefixes {
		if reserved.Bits() <= prefix.Bits() && reserved.Contains(prefix.Addr()) {
			return true
		}
	}
	return false
}
