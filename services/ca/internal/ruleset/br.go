package ruleset

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// notBeforeMargin is how far notBefore may lie from the signature.
const notBeforeMargin = 48 * time.Hour

// reservedPolicies are those of the CA/Browser Forum for TLS servers.
const (
	policyEV = "2.23.140.1.1"
	policyDV = "2.23.140.1.2.1"
	policyOV = "2.23.140.1.2.2"
	policyIV = "2.23.140.1.2.3"
)

// isReserved says whether a policy belongs to the CA/Browser Forum.
func isReserved(policy string) bool {
	return policy == policyEV || policy == policyDV || policy == policyOV || policy == policyIV
}

// leaf makes a rule for subscribers' certificates of the web.
func leaf(name, citation string, since Quantity, check func(s *subject) string) rule {
	return webOnly(name, citation, since, func(s *subject) string {
		if s.IsCA {
			return ""
		}
		return check(s)
	})
}

// brRules are those of the Baseline Requirements for keys, validity, usages and policies.
func brRules() []rule {
	return []rule{
		leaf("br_validity", "TLS BR 6.3.2", ValidityDays, func(s *subject) string {
			limit := MaxValidity(BR, s.NotBefore)
			return when(s.lifetime() > limit, fmt.Sprintf("the certificate lives %s, longer than %d days", s.lifetime(), limit/Day))
		}),
		leaf("br_not_before", "TLS BR 7.1.2.7", "", func(s *subject) string {
			distance := s.NotBefore.Sub(s.now)
			return when(distance > notBeforeMargin || distance < -notBeforeMargin, "notBefore lies more than 48 hours from the signature")
		}),
		webOnly("br_serial_entropy", "TLS BR 7.1", SerialEntropy, func(s *subject) string {
			return when(len(s.serial)*8 < Limit(SerialEntropy, s.now), "the serial number is too short for 64 random bits")
		}),
		webOnly("br_key", "TLS BR 6.1.5", "", checkWebKey),
		leaf("br_key_usage", "TLS BR 7.1.2.7.11", "", checkWebUsage),
		leaf("br_purposes", "TLS BR 7.1.2.7.10", "", checkWebPurposes),
		leaf("br_basic_constraints", "TLS BR 7.1.2.7.8", "", func(s *subject) string {
			return when(s.has(arcBasicConstraints) && !s.critical(arcBasicConstraints), "the basic constraints are not critical")
		}),
		leaf("br_policy", "TLS BR 7.1.2.7.9", "", checkPolicy),
		webOnly("br_policy_critical", "TLS BR 7.1.2.7.6", "", func(s *subject) string {
			return when(s.critical(arcPolicies), "the certificate policies are critical")
		}),
		advised(leaf("br_subject_key_identifier", "TLS BR 7.1.2.7.6", "", func(s *subject) string {
			return when(s.has(arcSubjectKeyID), "a subject key identifier is not recommended")
		})),
		webOnly("br_unknown_critical", "TLS BR 7.1.2.11", "", func(s *subject) string {
			for _, id := range s.UnhandledCriticalExtensions {
				return "the extension " + id.String() + " is critical, which no client knows"
			}
			return ""
		}),
	}
}

// checkWebKey refuses kinds of keys, and signatures, that the web does not know.
func checkWebKey(s *subject) string {
	switch key := s.PublicKey.(type) {
	case *rsa.PublicKey:
		return when(key.N.BitLen() < 2048 || key.N.BitLen()%8 != 0, fmt.Sprintf("an RSA key of %d bits", key.N.BitLen()))
	case *ecdsa.PublicKey:
		name := key.Curve.Params().Name
		return when(name != "P-256" && name != "P-384" && name != "P-521", "a key on curve "+name)
	case ed25519.PublicKey:
		return "an Ed25519 key"
	default:
		return "a key of an unknown kind"
	}
}

func checkWebUsage(s *subject) string {
	allowed := x509.KeyUsageDigitalSignature
	if _, isRSA := s.PublicKey.(*rsa.PublicKey); isRSA {
		allowed |= x509.KeyUsageKeyEncipherment
	}
	switch {
	case !s.has(arcKeyUsage):
		return ""
	case s.KeyUsage&^allowed != 0:
		return "a key usage other than digitalSignature and, for RSA, keyEncipherment"
	case !s.critical(arcKeyUsage):
		return "the key usage is not critical"
	}
	return ""
}

func checkWebPurposes(s *subject) string {
	if !slices.Contains(s.ExtKeyUsage, x509.ExtKeyUsageServerAuth) || len(s.ExtKeyUsage)+len(s.UnknownExtKeyUsage) != 1 {
		return "the extended key usage is not serverAuth alone"
	}
	return when(s.critical(arcExtendedKeyUsage), "the extended key usage is critical")
}

// reserved are the policies of the CA/Browser Forum that the certificate has.
func (s *subject) reserved() []string {
	var list []string
	for _, policy := range s.PolicyIdentifiers {
		if id := policy.String(); isReserved(id) {
			list = append(list, id)
		}
	}
	return list
}

func checkPolicy(s *subject) string {
	count := len(s.reserved())
	if s.family == BRLab {
		return when(count > 0, "a laboratory's certificate has a policy of the CA/Browser Forum")
	}
	return when(count != 1, fmt.Sprintf("the certificate has %d of the reserved policies, not exactly one", count))
}
