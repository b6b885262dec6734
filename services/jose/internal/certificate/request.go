package certificate

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
)

// Subject is whom a certificate is asked for.
type Subject struct {
	Name pkix.Name
	// DNSNames, Addresses, Emails and URIs are the alternative names (RFC 5280 section 4.2.1.6); there is no other in the request, and none is
	// made of the Name.
	DNSNames, Addresses, Emails, URIs []string
}

// hostName is one in lower case (RFC 1123 section 2.1), of which the leftmost label may be the wildcard.
var hostName = regexp.MustCompile(`^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// maxHostName is the length of the longest host name (RFC 1035 section 2.3.4).
const maxHostName = 253

// NameError is the error about an alternative name that is none.
type NameError struct {
	Kind string // "dns_names", "ip_addresses", "email_addresses" or "uris"
	At   int    // in its list
}

// Error implements error.
func (e *NameError) Error() string { return fmt.Sprintf("%s %d is malformed", e.Kind, e.At+1) }

// Request makes a request for a certificate of a key (PKCS #10, RFC 2986) in PEM, signed by the key itself by its algorithm, which is one of
// signatures. A name that is malformed is a [*NameError].
func Request(key *jwk.Key, algorithm string, subject Subject) (string, error) {
	template, err := subject.template()
	if err != nil {
		return "", err
	}
	if template.SignatureAlgorithm = algorithms()[algorithm]; template.SignatureAlgorithm == x509.UnknownSignatureAlgorithm {
		return "", fmt.Errorf("%s signs no certificates", algorithm)
	}
	public, err := key.Public()
	if err != nil {
		return "", err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, signer{key: key, algorithm: algorithm, public: public.Material()})
	if err != nil {
		return "", fmt.Errorf("make certificate request: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), nil
}

func (s Subject) template() (*x509.CertificateRequest, error) {
	template := &x509.CertificateRequest{Subject: s.Name}
	for i, name := range s.DNSNames {
		if len(name) > maxHostName || !hostName.MatchString(name) {
			return nil, &NameError{"dns_names", i}
		}
		template.DNSNames = append(template.DNSNames, name)
	}
	for i, text := range s.Addresses {
		address, err := netip.ParseAddr(text)
		if err != nil || address.Zone() != "" {
			return nil, &NameError{"ip_addresses", i}
		}
		template.IPAddresses = append(template.IPAddresses, net.IP(address.Unmap().AsSlice()))
	}
	for i, text := range s.Emails {
		parsed, err := mail.ParseAddress(text)
		if err != nil || parsed.Address != text || !ascii(text) {
			return nil, &NameError{"email_addresses", i}
		}
		template.EmailAddresses = append(template.EmailAddresses, text)
	}
	for i, text := range s.URIs {
		parsed, err := url.Parse(text)
		if err != nil || !parsed.IsAbs() || parsed.String() != text || !ascii(text) {
			return nil, &NameError{"uris", i}
		}
		template.URIs = append(template.URIs, parsed)
	}
	return template, nil
}

// ascii tells whether a text is one of an IA5String without controls and spaces.
func ascii(text string) bool {
	for _, b := range []byte(text) {
		if b <= ' ' || b > '~' {
			return false
		}
	}
	return text != ""
}

// algorithms are the signatures of JOSE as X.509 calls them.
func algorithms() map[string]x509.SignatureAlgorithm {
	return map[string]x509.SignatureAlgorithm{
		"RS256": x509.SHA256WithRSA, "RS384": x509.SHA384WithRSA, "RS512": x509.SHA512WithRSA,
		"PS256": x509.SHA256WithRSAPSS, "PS384": x509.SHA384WithRSAPSS, "PS512": x509.SHA512WithRSAPSS,
		"ES256": x509.ECDSAWithSHA256, "ES384": x509.ECDSAWithSHA384, "ES512": x509.ECDSAWithSHA512,
		"Ed25519": x509.PureEd25519,
	}
}

// signer signs messages with a key, wherever its private part is.
type signer struct {
	key       *jwk.Key
	algorithm string
	public    crypto.PublicKey
}

var _ crypto.MessageSigner = signer{}

// Public implements crypto.Signer.
func (s signer) Public() crypto.PublicKey { return s.public }

// Sign implements crypto.Signer. Digests are not signed: what is hashed is hashed where the key is.
func (signer) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("the key signs messages, not digests")
}

// SignMessage implements crypto.MessageSigner.
func (s signer) SignMessage(_ io.Reader, message []byte, _ crypto.SignerOpts) ([]byte, error) {
	if s.algorithm[:2] != "ES" {
		return jws.SignRaw(s.key, s.algorithm, jws.InputMessage, message, jws.FormatRaw)
	}
	fixed, err := jws.SignRaw(s.key, s.algorithm, jws.InputMessage, message, jws.FormatP1363)
	if err != nil {
		return nil, err
	}
	half := len(fixed) / 2
	return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(fixed[:half]), new(big.Int).SetBytes(fixed[half:])})
}
