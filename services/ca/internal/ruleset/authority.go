package ruleset

import "crypto/x509"

// notCritical are the extensions that must not be critical, and where that stands.
var notCritical = map[string]string{
	"2.5.29.14":            "the subject key identifier",
	"2.5.29.35":            "the authority key identifier",
	"2.5.29.46":            "the freshest CRL",
	"1.3.6.1.5.5.7.1.1":    "the authority information access",
	"1.3.6.1.5.5.7.48.1.5": "the OCSP no check",
}

// authorityRules are those of authorities, and of the extensions that link a certificate to one.
func authorityRules() []rule {
	return []rule{
		always("ca_named", "RFC 5280 4.1.2.6", func(s *subject) string {
			return when(s.IsCA && s.unnamed(), "an authority has no name")
		}),
		always("ca_key_usage", "RFC 5280 4.2.1.3", func(s *subject) string {
			return when(s.IsCA && s.KeyUsage&x509.KeyUsageCertSign == 0, "an authority's key does not sign certificates")
		}),
		always("ca_key_identifier", "RFC 5280 4.2.1.2", func(s *subject) string {
			return when(s.IsCA && len(s.SubjectKeyId) == 0, "an authority's certificate has no subject key identifier")
		}),
		always("ca_basic_constraints_critical", "RFC 5280 4.2.1.9", func(s *subject) string {
			return when(s.IsCA && !s.critical(arcBasicConstraints), "an authority's basic constraints are not critical")
		}),
		always("leaf_signs_no_certificates", "RFC 5280 4.2.1.3, 4.2.1.9", func(s *subject) string {
			return when(!s.IsCA && s.KeyUsage&x509.KeyUsageCertSign != 0, "a key usage of keyCertSign, but the subject is no authority")
		}),
		always("leaf_constrains_no_names", "RFC 5280 4.2.1.10", func(s *subject) string {
			return when(!s.IsCA && s.has(arcNameConstraints), "name constraints, but the subject is no authority")
		}),
		always("name_constraints_critical", "RFC 5280 4.2.1.10", func(s *subject) string {
			return when(s.has(arcNameConstraints) && !s.critical(arcNameConstraints) && !s.family.isBR(), "the name constraints are not critical")
		}),
		always("authority_key_identifier", "RFC 5280 4.2.1.1", func(s *subject) string {
			return when(!s.selfIssued() && len(s.AuthorityKeyId) == 0, "the authority key identifier is missing")
		}),
		always("never_critical", "RFC 5280 4.2.1.1, 4.2.1.2, 4.2.1.15, 4.2.2.1; RFC 6960 4.2.2.2.1", func(s *subject) string {
			for i := range s.Extensions {
				if e := &s.Extensions[i]; e.Critical && notCritical[e.Id.String()] != "" {
					return notCritical[e.Id.String()] + " is critical"
				}
			}
			return ""
		}),
	}
}
