package profile

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
)

// applySAN holds the alternative names to the profile.
func (p *Profile) applySAN(san certificate.SAN, r *Refusals) certificate.SAN {
	for _, part := range []struct {
		kind  nameKind
		names []string
	}{
		{p.SAN.kinds()[0], san.DNS},
		{p.SAN.kinds()[2], san.Email},
		{p.SAN.kinds()[3], san.URI},
		{p.SAN.kinds()[4], san.UPN},
	} {
		p.countNames(part.kind, len(part.names), r)
		for i, name := range part.names {
			p.applyName(part.kind, i, name, r)
		}
	}
	ip := p.SAN.kinds()[1]
	p.countNames(ip, len(san.IP), r)
	for i, address := range san.IP {
		if len(p.compiled.prefixes) > 0 && !slices.ContainsFunc(p.compiled.prefixes, func(prefix netip.Prefix) bool { return prefix.Contains(address) }) {
			r.add(element("san.ip", i), "addresses in "+listed(ip.names.Patterns), "%s is not allowed", address)
		}
	}
	if count := san.Count(); count < p.SAN.Min || count > p.SAN.Max {
		r.add("san", fmt.Sprintf("%d to %d names", p.SAN.Min, p.SAN.Max), "there are %d subject alternative names", count)
	}
	return san
}

func (p *Profile) countNames(kind nameKind, count int, r *Refusals) {
	if n := kind.names; count < n.Min || count > n.Max {
		r.add("san."+kind.key, fmt.Sprintf("%d to %d", n.Min, n.Max), "there are %d names of this kind", count)
	}
}

func (p *Profile) applyName(kind nameKind, i int, name string, r *Refusals) {
	field := element("san."+kind.key, i)
	if strings.HasPrefix(name, "*.") && kind.key == "dns" && !kind.names.Wildcards {
		r.add(field, "host names without *", "%s is a wildcard", name)
		return
	}
	// The star of a wildcard is a label as others: only a pattern with a star in its place takes it.
	patterns := p.compiled.patterns[kind.key]
	if len(patterns) > 0 && !slices.ContainsFunc(patterns, func(g glob) bool { return g.exp.MatchString(name) }) {
		r.add(field, "names like "+listed(kind.names.Patterns), "%s is not allowed", name)
	}
}

// applyCommonName brings the asked common name and the alternative names together. Where the common name is not free, one that is a host name, as old
// clients ask for it, joins the alternative names; where it is not certified, it is then dropped.
func (p *Profile) applyCommonName(san certificate.SAN, subject []Named) (certificate.SAN, []Named) {
	if p.Subject.CommonName == nameFree {
		return san, subject
	}
	var rest []Named
	for _, a := range subject {
		if a.Name != commonName {
			rest = append(rest, a)
			continue
		}
		if name, err := certificate.DNSName(a.Value); err == nil && p.SAN.DNS.Max > 0 {
			if !slices.Contains(san.DNS, name) && strings.Contains(name, ".") {
				san.DNS = append(slices.Clone(san.DNS), name)
			}
			if slices.Contains(san.DNS, name) {
				a.Value = name // written as the alternative name is (TLS BR 7.1.4.3)
			}
		}
		if p.Subject.CommonName != nameNone {
			rest = append(rest, a)
		}
	}
	return san, rest
}

// isAlternative says whether a common name is one of the alternative names.
func isAlternative(value string, san certificate.SAN) bool {
	if name, err := certificate.DNSName(value); err == nil && slices.Contains(san.DNS, name) {
		return true
	}
	if address, err := netip.ParseAddr(value); err == nil && slices.Contains(san.IP, address) {
		return true
	}
	return slices.Contains(san.Email, value) || slices.Contains(san.URI, value) || slices.Contains(san.UPN, value)
}
