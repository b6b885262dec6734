package ruleset

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"slices"
)

// signing are the usages that only sign.
const signing = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment | x509.KeyUsageCertSign | x509.KeyUsageCRLSign

// purposeNeeds are usages one of which a purpose needs (RFC 5280 section 4.2.1.12).
var purposeNeeds = map[x509.ExtKeyUsage]x509.KeyUsage{
	x509.ExtKeyUsageServerAuth:      x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageKeyAgreement,
	x509.ExtKeyUsageClientAuth:      x509.KeyUsageDigitalSignature | x509.KeyUsageKeyAgreement,
	x509.ExtKeyUsageCodeSigning:     x509.KeyUsageDigitalSignature,
	x509.ExtKeyUsageEmailProtection: x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment | x509.KeyUsageKeyEncipherment | x509.KeyUsageKeyAgreement,
	x509.ExtKeyUsageTimeStamping:    x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment,
	x509.ExtKeyUsageOCSPSigning:     x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment,
}

// idOCSPNoCheck is the extension of RFC 6960 section 4.2.2.2.1.
var idOCSPNoCheck = []int{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}

// usageRules are those of key usage, extended key usage and policies.
func usageRules() []rule {
	return []rule{
		always("key_usage_fits_key", "RFC 3279; RFC 8410 5; RFC 5480 3", checkUsageFits),
		always("key_usage_empty", "RFC 5280 4.2.1.3", func(s *subject) string {
			return when(s.has(arcKeyUsage) && s.KeyUsage == 0, "the key usage has no bit")
		}),
		always("key_usage_only", "RFC 5280 4.2.1.3", func(s *subject) string {
			only := x509.KeyUsageEncipherOnly | x509.KeyUsageDecipherOnly
			return when(s.KeyUsage&only != 0 && s.KeyUsage&x509.KeyUsageKeyAgreement == 0, "encipherOnly and decipherOnly mean nothing without keyAgreement")
		}),
		advised(always("key_usage_critical", "RFC 5280 4.2.1.3", func(s *subject) string {
			return when(s.has(arcKeyUsage) && !s.critical(arcKeyUsage), "the key usage should be critical")
		})),
		always("purpose_without_usage", "RFC 5280 4.2.1.12", func(s *subject) string {
			for _, purpose := range s.ExtKeyUsage {
				if needs := purposeNeeds[purpose]; needs != 0 && s.has(arcKeyUsage) && !s.IsCA && s.KeyUsage&needs == 0 {
					return "the key usage allows nothing that the extended key usage needs"
				}
			}
			return ""
		}),
		always("purpose_twice", "RFC 5280 4.2.1.12", checkPurposesOnce),
		always("purpose_any_critical", "RFC 5280 4.2.1.12", func(s *subject) string {
			return when(s.critical(arcExtendedKeyUsage) && slices.Contains(s.ExtKeyUsage, x509.ExtKeyUsageAny), "a critical extended key usage with anyExtendedKeyUsage")
		}),
		always("timestamping", "RFC 3161 2.3", func(s *subject) string {
			stamping := slices.Contains(s.ExtKeyUsage, x509.ExtKeyUsageTimeStamping) && !s.IsCA
			alone := len(s.ExtKeyUsage)+len(s.UnknownExtKeyUsage) == 1
			return when(stamping && (!alone || !s.critical(arcExtendedKeyUsage)), "the purpose timeStamping does not stand alone, or is not critical")
		}),
		always("ocsp_no_check", "RFC 6960 4.2.2.2.1", func(s *subject) string {
			for i := range s.Extensions {
				if s.Extensions[i].Id.Equal(idOCSPNoCheck) {
					return when(!slices.Contains(s.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning), "OCSP no check, but the subject is no responder")
				}
			}
			return ""
		}),
	}
}

// checkUsageFits refuses usages that a kind of key cannot serve.
func checkUsageFits(s *subject) string {
	agreement := x509.KeyUsageKeyAgreement | x509.KeyUsageEncipherOnly | x509.KeyUsageDecipherOnly
	encipherment := x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment
	switch s.PublicKey.(type) {
	case *rsa.PublicKey:
		return when(s.KeyUsage&agreement != 0, "an RSA key does not agree on keys")
	case *ecdsa.PublicKey:
		return when(s.KeyUsage&encipherment != 0, "an EC key does not encipher")
	case ed25519.PublicKey:
		return when(s.KeyUsage&^signing != 0, "an Ed25519 key only signs")
	default:
		return "the kind of the public key is not known"
	}
}

func checkPurposesOnce(s *subject) string {
	e := s.extension[arcExtendedKeyUsage]
	if e == nil {
		return ""
	}
	var purposes []asn1.ObjectIdentifier
	if rest, err := asn1.Unmarshal(e.Value, &purposes); err != nil || len(rest) > 0 || len(purposes) == 0 {
		return "the extended key usage is not well formed, or empty"
	}
	for i, purpose := range purposes {
		if slices.ContainsFunc(purposes[:i], purpose.Equal) {
			return "the purpose " + purpose.String() + " is there twice"
		}
	}
	return ""
}
