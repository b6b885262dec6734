package ruleset

import (
	"fmt"
	"net/url"
)

// brPointerRules are those of the Baseline Requirements for the pointers to the issuer and to the status.
func brPointerRules() []rule {
	return []rule{
		leaf("br_issuer_pointer", "TLS BR 7.1.2.7.7", CertificateProfiles, func(s *subject) string {
			return when(len(s.OCSPServer)+len(s.IssuingCertificateURL) == 0, "the authority information access is missing")
		}),
		leaf("br_crl_pointer", "TLS BR 7.1.2.11.2", CRLPointer, func(s *subject) string {
			return when(len(s.CRLDistributionPoints) == 0 && !s.shortLived(), "a certificate that is not short-lived has no pointer to a CRL")
		}),
		webOnly("br_pointers_plain", "TLS BR 7.1.2.7.7, 7.1.2.11.2", CertificateProfiles, func(s *subject) string {
			for _, list := range [][]string{s.OCSPServer, s.IssuingCertificateURL, s.CRLDistributionPoints} {
				for _, text := range list {
					if parsed, err := url.Parse(text); err != nil || parsed.Scheme != "http" || parsed.Host == "" {
						return fmt.Sprintf("%q is not an http URL", text)
					}
				}
			}
			return ""
		}),
		webOnly("br_crl_critical", "TLS BR 7.1.2.11.2", "", func(s *subject) string {
			return when(s.critical(arcCRL), "the CRL distribution points are critical")
		}),
	}
}
