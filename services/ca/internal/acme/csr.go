package acme

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"net/netip"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

// maxCSR is the length in bytes of the longest request: 100 names and an RSA key of 8192 bits fit.
const maxCSR = 48 << 10

// subjectAltName is the extension of that name (RFC 5280 section 4.2.1.6).
func subjectAltName() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 5, 29, 17} }

// checkCSR accepts a request for exactly the names, with a key that is not the account's (RFC 8555 sections 7.4 and 11.1). The rest, such as the
// size of the key, is the issuer's to judge.
func checkCSR(der []byte, names []validation.Identifier, accountThumbprint string) error {
	if len(der) == 0 || len(der) > maxCSR {
		return NewError(BadCSR, "a certificate signing request has up to %d bytes", maxCSR)
	}
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return NewError(BadCSR, "the certificate signing request cannot be read").because(err)
	}
	if err := request.CheckSignature(); err != nil {
		return NewError(BadCSR, "the signature of the certificate signing request is not valid").because(err)
	}
	asked, err := namesOf(request)
	if err != nil {
		return NewError(BadCSR, "%v", err)
	}
	if !slices.Equal(asked, sorted(names)) {
		return NewError(BadCSR, "the names of the certificate signing request are not those of the order")
	}
	key, err := jwk.FromMaterial(request.PublicKey, jwk.Attributes{})
	if err != nil {
		return NewError(BadPublicKey, "the key in the certificate signing request is not accepted").because(err)
	}
	if key.ThumbprintSHA256() == accountThumbprint {
		return NewError(BadCSR, "the key in the certificate signing request is the account's")
	}
	return nil
}

// namesOf lists the names of a request, sorted, each once: its alternative names and its common name.
func namesOf(request *x509.CertificateRequest) ([]string, error) {
	if len(request.EmailAddresses) > 0 || len(request.URIs) > 0 {
		return nil, errors.New("the certificate signing request has names that are neither DNS names nor IP addresses")
	}
	var names []string
	for _, name := range request.DNSNames {
		i, err := validation.ParseIdentifier(validation.TypeDNS, name)
		if err != nil {
			return nil, errors.New("a DNS name in the certificate signing request is malformed")
		}
		names = append(names, i.Value)
	}
	for _, raw := range request.IPAddresses {
		address, ok := netip.AddrFromSlice(raw)
		if !ok {
			return nil, errors.New("an IP address in the certificate signing request is malformed")
		}
		names = append(names, address.Unmap().String())
	}
	if otherNames(request, len(names)) {
		return nil, errors.New("the certificate signing request has names that are neither DNS names nor IP addresses")
	}
	if common := request.Subject.CommonName; common != "" {
		i, err := validation.ParseIdentifier(validation.TypeDNS, common)
		if err != nil {
			i, err = validation.ParseIdentifier(validation.TypeIP, common)
		}
		if err != nil {
			return nil, errors.New("the common name of the certificate signing request is no name of a host")
		}
		names = append(names, i.Value)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// otherNames tells whether the alternative names are more than those that were read, such as a user principal name.
func otherNames(request *x509.CertificateRequest, read int) bool {
	for _, extension := range request.Extensions {
		if !extension.Id.Equal(subjectAltName()) {
			continue
		}
		var all []asn1.RawValue
		if rest, err := asn1.Unmarshal(extension.Value, &all); err != nil || len(rest) > 0 || len(all) != read {
			return true
		}
	}
	return false
}

func sorted(identifiers []validation.Identifier) []string {
	names := make([]string, len(identifiers))
	for i, identifier := range identifiers {
		names[i] = identifier.Value
	}
	slices.Sort(names)
	return names
}
