// Package location says where the public objects of a CA are found: its certificate, its revocation lists and its OCSP responder. What stands in
// certificates and what is served agree because both ask here. Its main type is [Base].
package location

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/server"
)

// Patterns of the paths, for whoever serves them. Each also stands below /t/{tenant}.
const (
	CertificatePattern = "/pki/{ca}/ca.cer"
	ChainPattern       = "/pki/{ca}/ca.p7c"
	OCSPPattern        = "/pki/{ca}/ocsp"
	OCSPGetPattern     = "/pki/{ca}/ocsp/*"
	CRLPattern         = "/pki/{ca}/crl/{list}"
	RootsPattern       = "/roots.pem"
)

// Base is where the objects of one CA are.
type Base struct{ prefix string }

// Of returns the base of a CA's objects below a URL.
func Of(url, tenant, ca string) Base {
	prefix := strings.TrimSuffix(url, "/")
	if tenant != server.DefaultTenant { // whose paths need no prefix
		prefix += "/t/" + tenant
	}
	return Base{prefix: prefix + "/pki/" + ca}
}

// Certificate is where the CA's certificate is, in DER (RFC 5280 section 4.2.2.1).
func (b Base) Certificate() string { return b.prefix + "/ca.cer" }

// OCSP is where the CA's responder is (RFC 6960).
func (b Base) OCSP() string { return b.prefix + "/ocsp" }

// CRL is where one of the CA's lists is.
func (b Base) CRL(shard int) string { return fmt.Sprintf("%s/crl/%d.crl", b.prefix, shard) }

// DeltaCRL is where the latest changes to one of the CA's lists are.
func (b Base) DeltaCRL(shard int) string { return fmt.Sprintf("%s/crl/%d-delta.crl", b.prefix, shard) }

// SerialCRL is where the list is that tells of one certificate.
func (b Base) SerialCRL(serial []byte) string {
	return b.prefix + "/crl/" + base64.RawURLEncoding.EncodeToString(serial) + ".crl"
}
