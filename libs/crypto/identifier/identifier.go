// Package identifier computes the SHA-1 identifiers that an old protocol fixes on the wire and that many of its servers know no other of: the hashes of
// an issuer's name and key in an OCSP CertID (RFC 6960 section 4.1.1). Its function is [OCSPIssuer].
//
// They name an issuer; nothing is protected by them, since whoever uses an OCSP response verifies its signature, made with SHA-2, by the issuer's key. This is
// the only package in which the enforcement of FIPS 140-3 is suspended, for these two digests of public data; the linter refuses it elsewhere.
package identifier

import (
	"crypto/fips140"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
)

// OCSPIssuer returns the SHA-1 hashes of an issuer's encoded name and of its public key, the content of the BIT STRING without tag, length and
// number of unused bits. Call it once for an issuer and keep the result.
func OCSPIssuer(issuer *x509.Certificate) (name, key [sha1.Size]byte, err error) {
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	rest, err := asn1.Unmarshal(issuer.RawSubjectPublicKeyInfo, &info)
	if err == nil && len(rest) > 0 {
		err = errors.New("trailing data")
	}
	if err != nil {
		return name, key, fmt.Errorf("identify issuer: parse public key: %w", err)
	}
	fips140.WithoutEnforcement(func() {
		name, key = sha1.Sum(issuer.RawSubject), sha1.Sum(info.Key.RightAlign())
	})
	return name, key, nil
}
