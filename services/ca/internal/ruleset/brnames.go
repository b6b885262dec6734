package ruleset

import (
	"fmt"
	"net/netip"
	"slices"
)

// subjectsAllowed are the attributes that a policy allows beside the common name, and those that it needs (TLS BR 7.1.2.7.2 to 7.1.2.7.4; the EV
// Guidelines section 9.2 for EV).
var subjectsAllowed = map[string]struct{ needs, allows []string }{
	policyDV: {nil, []string{idCountry}},
	policyOV: {[]string{idCountry, idOrganization}, []string{idState, idLocality, "2.5.4.17", "2.5.4.9", "0.9.2342.19200300.100.1.25"}},
	policyIV: {[]string{idCountry, "2.5.4.42", "2.5.4.4"}, []string{idOrganization, idState, idLocality, "2.5.4.17", "2.5.4.9", "0.9.2342.19200300.100.1.25"}},
	policyEV: {
		[]string{idCountry, idOrganization, "2.5.4.15", "1.3.6.1.4.1.311.60.2.1.3", idSerialNumber},
		[]string{idState, idLocality, "2.5.4.17", "2.5.4.9", "1.3.6.1.4.1.311.60.2.1.2", "1.3.6.1.4.1.311.60.2.1.1", "2.5.4.97"},
	},
}

// brNameRules are those of the Baseline Requirements for subjects and alternative names.
func brNameRules() []rule {
	return []rule{
		leaf("br_san_present", "TLS BR 7.1.2.7.12", "", func(s *subject) string {
			return when(!s.has(arcSubjectAltName), "there is no subject alternative name")
		}),
		leaf("br_san_critical", "TLS BR 7.1.2.7.12", "", func(s *subject) string {
			return when(s.has(arcSubjectAltName) && s.critical(arcSubjectAltName) != s.unnamed(), "the alternative names are critical exactly where the subject is empty")
		}),
		leaf("br_san_kinds", "TLS BR 7.1.2.7.12", "", func(s *subject) string {
			return when(len(s.names.Email)+len(s.names.URI)+len(s.names.UPN) > 0, "there are alternative names other than host names and addresses")
		}),
		leaf("br_internal_name", "TLS BR 7.1.2.7.12, 4.2.2", NoInternalName, func(s *subject) string {
			for _, name := range s.names.DNS {
				if IsInternalName(name) {
					return fmt.Sprintf("%q is an internal name", name)
				}
			}
			return ""
		}),
		leaf("br_reserved_address", "TLS BR 7.1.2.7.12", NoInternalName, func(s *subject) string {
			for _, address := range s.names.IP {
				if IsReservedAddress(address) {
					return fmt.Sprintf("%s is a reserved address", address)
				}
			}
			return ""
		}),
		leaf("br_common_name", "TLS BR 7.1.4.3", CommonNameKnown, checkCommonName),
		advised(leaf("br_common_name_discouraged", "TLS BR 7.1.4.3", CertificateProfiles, func(s *subject) string {
			return when(s.hasAttribute(idCommonName), "a common name is not recommended")
		})),
		leaf("br_no_organizational_unit", "TLS BR 7.1.2.7.2", NoOrganizationalUnit, func(s *subject) string {
			return when(s.hasAttribute(idUnit), "the organizational unit is forbidden")
		}),
		leaf("br_subject", "TLS BR 7.1.2.7.2", CertificateProfiles, checkWebSubject),
	}
}

// checkCommonName makes sure that each common name is one of the alternative names, written the same.
func checkCommonName(s *subject) string {
	problem, count := "", 0
	s.attributes(func(id, value string) {
		if id != idCommonName {
			return
		}
		count++
		address, err := netip.ParseAddr(value)
		if !slices.Contains(s.names.DNS, value) && (err != nil || address.String() != value || !slices.Contains(s.names.IP, address)) {
			problem = fmt.Sprintf("the common name %q is not one of the alternative names", value)
		}
	})
	if count > 1 {
		return "there is more than one common name"
	}
	return problem
}

// checkWebSubject holds the attributes to the policy.
func checkWebSubject(s *subject) string {
	reserved := s.reserved()
	if len(reserved) != 1 {
		return "" // another rule's finding; a laboratory says nothing of who was validated
	}
	rule, problem := subjectsAllowed[reserved[0]], ""
	have := map[string]bool{}
	s.attributes(func(id, _ string) {
		have[id] = true
		if id != idCommonName && id != idUnit && !slices.Contains(rule.needs, id) && !slices.Contains(rule.allows, id) {
			problem = fmt.Sprintf("the attribute %s does not belong in a certificate of policy %s", id, reserved[0])
		}
	})
	for _, id := range rule.needs {
		if !have[id] {
			problem = fmt.Sprintf("policy %s needs the attribute %s", reserved[0], id)
		}
	}
	if problem == "" && reserved[0] != policyDV && !have[idLocality] && !have[idState] {
		problem = fmt.Sprintf("policy %s needs a locality or a state", reserved[0])
	}
	return problem
}
