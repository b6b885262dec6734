package profile

import (
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
)

// reservedPolicies are those of the CA/Browser Forum for TLS servers: EV, DV, OV, IV.
var reservedPolicies = []string{"2.23.140.1.1", "2.23.140.1.2.1", "2.23.140.1.2.2", "2.23.140.1.2.3"}

const anyPolicy = "2.5.29.32.0"

func (p *Profile) checkConstraints(f *faults) {
	n := p.NameConstraints
	permitted, excluded := n.Permitted.check(f, "name_constraints.permitted"), n.Excluded.check(f, "name_constraints.excluded")
	switch {
	case permitted.IsEmpty() && excluded.IsEmpty():
		return
	case !p.BasicConstraints.CA:
		f.add("name_constraints", "remove them, or write basic_constraints.ca: true", "only an authority constrains names (RFC 5280 section 4.2.1.10)")
	case !n.Critical && !p.isBR():
		f.add("name_constraints.critical", "write true", "who does not know name constraints must not pass over them (RFC 5280 section 4.2.1.10)")
	}
	for i, name := range permitted.DNS {
		for _, other := range excluded.DNS {
			if name == other || strings.HasSuffix(name, "."+strings.TrimPrefix(other, ".")) {
				f.add(element("name_constraints.permitted.dns", i), "remove one of them", "%q is permitted, but %q is excluded", name, other)
			}
		}
	}
	for i, prefix := range permitted.IP {
		for _, other := range excluded.IP {
			if other.Bits() <= prefix.Bits() && other.Contains(prefix.Addr()) {
				f.add(element("name_constraints.permitted.ip", i), "remove one of them", "%s is permitted, but %s is excluded", prefix, other)
			}
		}
	}
}

// check reads the subtrees and reports those that are none.
func (s Subtrees) check(f *faults, path string) certificate.Subtrees {
	trees := certificate.Subtrees{DNS: s.DNS, Email: s.Email, URI: s.URI}
	hosts := func(key string, names []string, dotted bool) {
		f.unique(path+"."+key, names)
		for i, name := range names {
			host := name
			if dotted {
				host = strings.TrimPrefix(name, ".")
			}
			if key == "email" {
				if _, after, found := strings.Cut(name, "@"); found {
					host = after
				}
			}
			if checked, err := certificate.DNSName(host); err != nil || checked != host || strings.HasPrefix(host, "*") {
				f.add(element(path+"."+key, i), `such as "example.com"`, "%q is no domain in lower case", name)
			}
		}
	}
	hosts("dns", s.DNS, true)
	hosts("email", s.Email, true)
	hosts("uri", s.URI, true)
	for i, text := range s.IP {
		prefix, err := netip.ParsePrefix(text)
		if err != nil || prefix != prefix.Masked() {
			f.add(element(path+".ip", i), `such as "10.0.0.0/8"`, "%q is no prefix of addresses, or has bits beyond its length", text)
			continue
		}
		trees.IP = append(trees.IP, prefix)
	}
	return trees
}

func (p *Profile) checkPolicies(f *faults) {
	var ids []string
	for i, policy := range p.Policies {
		path := element("policies", i)
		if _, err := parseObject(policy.ID); err != nil {
			f.add(path+".id", `such as "1.3.6.1.4.1.99999.1"`, "%q is no object identifier", policy.ID)
		}
		if slices.Contains(ids, policy.ID) {
			f.add(path+".id", "keep one of them", "%q is there twice", policy.ID)
		}
		ids = append(ids, policy.ID)
		for j, text := range policy.CPS {
			if parsed, err := url.Parse(text); err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
				f.add(element(path+".cps", j), `such as "https://ca.example/cps"`, "%q is no http or https URL", text)
			}
		}
		if policy.ID == anyPolicy && !p.BasicConstraints.CA {
			f.add(path+".id", "write the policy that the certificate is issued under", "anyPolicy belongs in authorities' certificates")
		}
		if slices.Contains(reservedPolicies, policy.ID) && p.Family != "" && !p.isBR() {
			f.add(path+".id", "remove it, or write family: br", "%s says that the Baseline Requirements are kept; family %s does not", policy.ID, p.Family)
		}
	}
}

// ownExtensions are those that other keys of a profile, or the issuer, make.
var ownExtensions = map[string]string{
	"2.5.29.14":               "subject_key_id",
	"2.5.29.15":               "key_usage",
	"2.5.29.17":               "san",
	"2.5.29.19":               "basic_constraints",
	"2.5.29.30":               "name_constraints",
	"2.5.29.31":               "revocation.crl",
	"2.5.29.32":               "policies",
	"2.5.29.35":               "nothing: the issuer adds it",
	"2.5.29.37":               "extended_key_usage",
	"2.5.29.46":               "revocation.crl",
	"1.3.6.1.5.5.7.1.1":       "revocation",
	"1.3.6.1.5.5.7.1.24":      "must_staple",
	"1.3.6.1.5.5.7.48.1.5":    "ocsp_no_check",
	"1.3.6.1.4.1.11129.2.4.2": "nothing: certificate transparency adds it",
	"1.3.6.1.4.1.11129.2.4.3": "nothing: certificate transparency adds it",
}

func (p *Profile) checkExtensions(f *faults) {
	var ids []string
	for i, e := range p.Extensions {
		path := element("extensions", i)
		if use, own := ownExtensions[e.ID]; own {
			f.add(path+".id", "write "+use, "%s is not for this list", e.ID)
		}
		if slices.Contains(ids, e.ID) {
			f.add(path+".id", "keep one of them", "%q is there twice", e.ID)
		}
		ids = append(ids, e.ID)
		if _, err := e.encode(); err != nil {
			f.add(path, "", "extension %s: %s", e.ID, err)
		}
	}
	if p.SignatureHash != "" {
		f.oneOf("signature_hash", p.SignatureHash, slices.Sorted(maps.Keys(hashes))...)
	}
}

// checkHandling checks what is done with requests, not what stands in the certificate.
func (p *Profile) checkHandling(f *faults) {
	f.oneOf("lint.native", p.Lint.Native, lintError, lintWarn, lintOff)
	f.oneOf("lint.zlint", p.Lint.ZLint, lintError, lintWarn, lintOff)
	const maxApprovals = 10
	switch a := p.Approval; {
	case a.Count < 0 || a.Count > maxApprovals:
		f.add("approval.count", "", "%d is not from 0 to %d", a.Count, maxApprovals)
	case a.Count > 0 && a.Expires <= 0:
		f.add("approval.expires", `such as "7d"`, "requests would wait for ever")
	case a.Count == 0 && a.Expires > 0:
		f.add("approval.expires", "remove it, or write count", "no request waits")
	}
	for path, names := range map[string][]string{"access.roles": p.Access.Roles, "access.scopes": p.Access.Scopes, "access.clients": p.Access.Clients} {
		f.unique(path, names)
		for i, name := range names {
			if strings.TrimSpace(name) != name || name == "" {
				f.add(element(path, i), "remove it", "%q is empty, or has blanks around it", name)
			}
		}
	}
	if !p.ACME {
		return
	}
	switch {
	case p.BasicConstraints.CA:
		f.add("acme", "remove it", "ACME certifies no authorities")
	case p.Approval.Count > 0:
		f.add("acme", "remove it, or approval", "an ACME client does not wait for people")
	case p.SAN.DNS.Max == 0 && p.SAN.IP.Max == 0:
		f.add("acme", "allow names by san.dns.max or san.ip.max", "ACME validates host names and addresses, of which the profile has none")
	case p.SAN.Email.Min+p.SAN.URI.Min+p.SAN.UPN.Min > 0:
		f.add("acme", "remove it, or the required names", "ACME validates host names and addresses alone")
	}
}
