package profile

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/ruleset"
)

// maxBackdate is how far notBefore may lie from the signature (TLS BR 7.1.2.7).
const maxBackdate = Period(48 * time.Hour)

// checkBR holds the profile to what the Baseline Requirements say today.
func (p *Profile) checkBR(f *faults) {
	if p.Keys.Ed25519 {
		f.add("keys.ed25519", "remove it", "Ed25519 is not among the algorithms of the Baseline Requirements (TLS BR 7.1.3.1)")
	}
	if p.hasPurpose(anyPurpose) {
		f.add("extended_key_usage.purposes", "write serverAuth", "%s is forbidden (TLS BR 7.1.2.7.10)", anyPurpose)
	}
	if p.Lint.Native != lintError {
		f.add("lint.native", "write error", "certificates that break the Baseline Requirements are not issued")
	}
	for i, a := range p.Subject.Attributes {
		if id, _, err := attributeOf(a.Type); err == nil && attributeName(id) == orgUnit {
			f.add(element("subject.attributes", i), "remove it", "the organizational unit is forbidden since 2022-09-01 (TLS BR 7.1.2.7.2)")
		}
	}
	for i, e := range p.Extensions {
		if e.Critical {
			f.add(element("extensions", i)+".critical", "remove it", "no client knows this extension: a critical one makes the certificate useless (TLS BR 7.1.2.11)")
		}
	}
	if !p.BasicConstraints.CA {
		p.checkBRLeaf(f)
	}
}

func (p *Profile) checkBRLeaf(f *faults) {
	limit := Period(ruleset.MaxValidity(ruleset.BR, p.now))
	if p.Validity.Max > limit {
		f.add("validity.max", "make it at most "+limit.String(), "%s is longer than the %s that are allowed since %s (TLS BR 6.3.2)", p.Validity.Max, limit,
			p.now.Format(time.DateOnly))
	}
	if p.Validity.Backdate > maxBackdate || p.Validity.Ahead > maxBackdate {
		f.add("validity", "make backdate and ahead at most "+maxBackdate.String(), "notBefore would lie further from the signature than %s (TLS BR 7.1.2.7)", maxBackdate)
	}
	if len(p.ExtendedKeyUsage.Purposes) != 1 || !p.hasPurpose(serverPurpose) {
		f.add("extended_key_usage.purposes", "write [serverAuth]; clients belong to family private", "a certificate of the web has the purpose serverAuth alone")
	}
	shortLived := Period(time.Duration(ruleset.Limit(ruleset.ShortLivedDays, p.now)) * ruleset.Day)
	if !p.Revocation.Issuer {
		f.add("revocation.issuer", "write true", "the issuer's certificate must be pointed to (TLS BR 7.1.2.7.7)")
	}
	if !p.Revocation.CRL && p.Validity.Max > shortLived {
		f.add("revocation.crl", "write true, or make validity.max at most "+shortLived.String(), "only short-lived certificates go without a CRL (TLS BR 7.1.2.11.2)")
	}
	p.checkBRNames(f)
	p.checkBRPolicy(f)
}

func (p *Profile) checkBRNames(f *faults) {
	s := &p.SAN
	if s.Min < 1 {
		f.add("san.min", "write 1 or more", "a subject alternative name is required (TLS BR 7.1.2.7.12)")
	}
	for _, kind := range s.kinds() {
		if kind.key != "dns" && kind.key != "ip" && kind.names.Max > 0 {
			f.add("san."+kind.key+".max", "remove it", "only host names and addresses are certified (TLS BR 7.1.2.7.12)")
		}
	}
	for i, pattern := range s.DNS.Patterns {
		if last := pattern[strings.LastIndexByte(pattern, '.')+1:]; !strings.Contains(last, "*") && ruleset.IsInternalName("a."+last) {
			f.add(element("san.dns.patterns", i), "", "%q can never match: names below .%s are internal (TLS BR 7.1.2.7.12)", pattern, last)
		}
	}
	for i, pattern := range s.IP.Patterns {
		prefix, err := netip.ParsePrefix(pattern)
		if err == nil && ruleset.IsReservedPrefix(prefix) {
			f.add(element("san.ip.patterns", i), "", "%q can never match: these addresses are reserved (TLS BR 7.1.2.7.12)", pattern)
		}
	}
	if p.Subject.CommonName == nameFree {
		f.add("subject.common_name", "write san or none", "a common name must be one of the alternative names (TLS BR 7.1.4.3)")
	}
}

// brSubjects are the attributes that a policy needs and, beside them and the common name, allows (TLS BR 7.1.2.7.2 to 7.1.2.7.5).
var brSubjects = map[string]struct{ needs, allows []string }{
	"2.23.140.1.2.1": {nil, []string{country}},
	"2.23.140.1.2.2": {[]string{country, "O"}, []string{"ST", "L", "postalCode", "street", "DC"}},
	"2.23.140.1.2.3": {[]string{country, "GN", "SN"}, []string{"O", "ST", "L", "postalCode", "street", "DC"}},
	"2.23.140.1.1": {
		[]string{country, "O", "businessCategory", "jurisdictionC", "serialNumber"},
		[]string{"ST", "L", "postalCode", "street", "jurisdictionST", "jurisdictionL", "organizationIdentifier"},
	},
}

func (p *Profile) checkBRPolicy(f *faults) {
	var reserved []string
	for _, policy := range p.Policies {
		if slices.Contains(reservedPolicies, policy.ID) {
			reserved = append(reserved, policy.ID)
		}
	}
	if len(reserved) != 1 {
		f.add("policies", "write one of "+listed(reservedPolicies)+" (EV, DV, OV, IV)",
			"there are %d of the reserved policies, not exactly one (TLS BR 7.1.2.7.9)", len(reserved))
		return
	}
	rule := brSubjects[reserved[0]]
	have := map[string]bool{}
	for i, a := range p.Subject.Attributes {
		id, _, err := attributeOf(a.Type)
		if err != nil {
			continue // reported
		}
		name := attributeName(id)
		have[name] = a.Required || a.Value != ""
		if name != commonName && name != orgUnit && !slices.Contains(rule.needs, name) && !slices.Contains(rule.allows, name) {
			f.add(element("subject.attributes", i), "remove it, or use another policy", "%s does not belong in a certificate of policy %s (TLS BR 7.1.2.7)", name, reserved[0])
		}
	}
	_, locality := have["L"]
	if _, state := have["ST"]; len(rule.needs) > 0 && !locality && !state {
		f.add("subject.attributes", "list L or ST", "policy %s needs a locality or a state (TLS BR 7.1.2.7)", reserved[0])
	}
	for _, name := range rule.needs {
		if !have[name] {
			f.add("subject.attributes", "list it with required: true or a value", "policy %s needs %s (TLS BR 7.1.2.7)", reserved[0], name)
		}
	}
}
