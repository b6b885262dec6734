package allowlist

import (
	"net/http"
	"net/netip"
	"strings"
)

// The headers in which proxies tell of the hop before. Exactly one is read: a proxy takes care of one and passes the other as it came.
const (
	HeaderXForwardedFor = "X-Forwarded-For"
	HeaderForwarded     = "Forwarded"
)

// Proxies finds the address of the client.
type Proxies struct {
	// Trusted are the proxies that are believed.
	Trusted *List
	// Header is HeaderXForwardedFor or HeaderForwarded.
	Header string
}

// Client returns the address that a request comes from: that of the connection, or, when that is a trusted proxy's, the nearest one that
// is not. It is the zero Addr when the connection has none.
func (p *Proxies) Client(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	client := peer.Addr().Unmap().WithZone("")
	if p.Trusted == nil || p.Trusted.Empty() || !p.Trusted.Contains(client) {
		return client
	}
	lines := r.Header[p.Header]
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, more := lines[i], true; more; {
			var element string
			rest, element, more = cutLast(rest)
			hop, ok := p.hop(element)
			if !ok {
				return client // the last proxy that could be told
			}
			client = hop
			if !p.Trusted.Contains(client) {
				return client
			}
		}
	}

	return client
}

// cutLast cuts the last element off a list that is separated by commas; more tells that there are others before it. No element has a
// comma of its own: addresses have none.
func cutLast(list string) (rest, last string, more bool) {
	at := strings.LastIndexByte(list, ',')
	if at < 0 {
		return "", list, false
	}

	return list[:at], list[at+1:], true
}

func (p *Proxies) hop(element string) (netip.Addr, bool) {
	element = strings.Trim(element, " \t")
	if p.Header == HeaderForwarded {
		var ok bool
		if element, ok = forwardedFor(element); !ok {
			return netip.Addr{}, false
		}
	}

	return node(element)
}

// forwardedFor returns the value of for= in one element (RFC 7239 section 4).
func forwardedFor(element string) (string, bool) {
	for pair := range strings.SplitSeq(element, ";") {
		name, value, ok := strings.Cut(strings.Trim(pair, " \t"), "=")
		if !ok || !strings.EqualFold(name, "for") {
			continue
		}
		if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1]
		}

		return value, true
	}

	return "", false
}

// node reads an address with or without port, IPv6 with or without brackets (RFC 7239 section 6). Names, "unknown" and obfuscated
// identifiers are none.
func node(text string) (netip.Addr, bool) {
	if full, err := netip.ParseAddrPort(text); err == nil {
		return full.Addr().Unmap().WithZone(""), true
	}
	if len(text) > 2 && text[0] == '[' && text[len(text)-1] == ']' {
		text = text[1 : len(text)-1]
	}
	address, err := netip.ParseAddr(text)

	return address.Unmap().WithZone(""), err == nil
}
