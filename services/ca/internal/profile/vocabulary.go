package profile

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"strconv"
	"strings"
)

// keyUsages by the names of RFC 5280 section 4.2.1.3.
var keyUsages = map[string]x509.KeyUsage{
	"digitalSignature":  x509.KeyUsageDigitalSignature,
	"contentCommitment": x509.KeyUsageContentCommitment,
	"keyEncipherment":   x509.KeyUsageKeyEncipherment,
	"dataEncipherment":  x509.KeyUsageDataEncipherment,
	"keyAgreement":      x509.KeyUsageKeyAgreement,
	"keyCertSign":       x509.KeyUsageCertSign,
	"cRLSign":           x509.KeyUsageCRLSign,
	"encipherOnly":      x509.KeyUsageEncipherOnly,
	"decipherOnly":      x509.KeyUsageDecipherOnly,
}

// Names of purposes that rules speak of.
const (
	anyPurpose      = "anyExtendedKeyUsage"
	serverPurpose   = "serverAuth"
	clientPurpose   = "clientAuth"
	ocspPurpose     = "OCSPSigning"
	stampingPurpose = "timeStamping"
)

// purposes of extended key usage: RFC 5280 section 4.2.1.12, RFC 4556, RFC 4945, RFC 9336 and Microsoft's.
var purposes = map[string]string{
	anyPurpose:            "2.5.29.37.0",
	serverPurpose:         "1.3.6.1.5.5.7.3.1",
	clientPurpose:         "1.3.6.1.5.5.7.3.2",
	"codeSigning":         "1.3.6.1.5.5.7.3.3",
	"emailProtection":     "1.3.6.1.5.5.7.3.4",
	stampingPurpose:       "1.3.6.1.5.5.7.3.8",
	ocspPurpose:           "1.3.6.1.5.5.7.3.9",
	"ipsecIKE":            "1.3.6.1.5.5.7.3.17",
	"documentSigning":     "1.3.6.1.5.5.7.3.36",
	"pkinitClient":        "1.3.6.1.5.2.3.4",
	"pkinitKDC":           "1.3.6.1.5.2.3.5",
	"smartcardLogon":      "1.3.6.1.4.1.311.20.2.2",
	"msDocumentSigning":   "1.3.6.1.4.1.311.10.3.12",
	"msKernelCodeSigning": "1.3.6.1.4.1.311.61.1.1",
	"msLifetimeSigning":   "1.3.6.1.4.1.311.10.3.13",
}

// attribute is what is known of an attribute of a distinguished name.
type attribute struct {
	id    string
	bound int // characters (RFC 5280 appendix A.1)
}

// Short names of attributes that rules speak of.
const (
	commonName = "CN"
	orgUnit    = "OU"
	country    = "C"
)

var attributes = map[string]attribute{
	commonName:               {"2.5.4.3", 64},
	"SN":                     {"2.5.4.4", 40},
	"serialNumber":           {"2.5.4.5", 64},
	country:                  {"2.5.4.6", 2},
	"L":                      {"2.5.4.7", 128},
	"ST":                     {"2.5.4.8", 128},
	"street":                 {"2.5.4.9", 128},
	"O":                      {"2.5.4.10", 64},
	orgUnit:                  {"2.5.4.11", 64},
	"title":                  {"2.5.4.12", 64},
	"businessCategory":       {"2.5.4.15", 128},
	"postalCode":             {"2.5.4.17", 40},
	"GN":                     {"2.5.4.42", 16},
	"organizationIdentifier": {"2.5.4.97", 256},
	"DC":                     {"0.9.2342.19200300.100.1.25", 63},
	"UID":                    {"0.9.2342.19200300.100.1.1", 256},
	"emailAddress":           {"1.2.840.113549.1.9.1", 255},
	"jurisdictionC":          {"1.3.6.1.4.1.311.60.2.1.3", 2},
	"jurisdictionST":         {"1.3.6.1.4.1.311.60.2.1.2", 128},
	"jurisdictionL":          {"1.3.6.1.4.1.311.60.2.1.1", 128},
}

// otherBound is the longest value of an attribute that is not known.
const otherBound = 256

// attributeOf reads the type of an attribute.
func attributeOf(text string) (id asn1.ObjectIdentifier, bound int, err error) {
	if known, found := attributes[text]; found {
		id, err = parseObject(known.id)
		return id, known.bound, err
	}
	id, err = parseObject(text)
	for _, known := range attributes {
		if known.id == text {
			return id, known.bound, err
		}
	}
	return id, otherBound, err
}

// attributeName is the short name of an attribute, or its dotted identifier.
func attributeName(id asn1.ObjectIdentifier) string {
	text := id.String()
	for name, known := range attributes {
		if known.id == text {
			return name
		}
	}
	return text
}

// parseObject reads a dotted object identifier.
func parseObject(text string) (asn1.ObjectIdentifier, error) {
	bad := errors.New("is no object identifier")
	parts := strings.Split(text, ".")
	id := make(asn1.ObjectIdentifier, 0, len(parts))
	for _, part := range parts {
		arc, err := strconv.ParseInt(part, 10, 32)
		if err != nil || arc < 0 || len(part) > 1 && part[0] == '0' || part[0] == '+' {
			return nil, bad
		}
		id = append(id, int(arc))
	}
	if len(id) < 2 || id[0] > 2 || id[0] < 2 && id[1] > 39 {
		return nil, bad
	}
	return id, nil
}

// hashes of signatures.
var hashes = map[string]crypto.Hash{"SHA-256": crypto.SHA256, "SHA-384": crypto.SHA384, "SHA-512": crypto.SHA512}

// curves by their names in FIPS 186-5.
var curves = []string{"P-256", "P-384", "P-521"}

// Words of common_name, of others and of the lints.
const (
	nameFree = "free"
	nameSAN  = "san"
	nameNone = "none"

	othersRefuse = "refuse"
	othersIgnore = "ignore"

	lintError = "error"
	lintWarn  = "warn"
	lintOff   = "off"
)
