package validation

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// protocolName is what is negotiated by ALPN (RFC 8737 section 6.2).
const protocolName = "acme-tls/1"

// Tags of GeneralName (RFC 5280 section 4.2.1.6).
const (
	tagDNSName   = 2
	tagIPAddress = 7
)

// acmeIdentifier is the extension with the digest (RFC 8737 section 6.1).
func acmeIdentifier() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31} }

func subjectAltName() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 5, 29, 17} }

// tlsALPN01 looks at the certificate that the host shows for the challenge's protocol (RFC 8737 section 3).
func (l *Local) tlsALPN01(ctx context.Context, a Attempt) error {
	if a.Identifier.Wildcard() {
		return refuse(KindMalformed, "tls-alpn-01 is for a single host")
	}
	client, err := l.client(a)
	if err != nil {
		return err
	}
	plain, err := client.Dial(ctx, net.JoinHostPort(a.Identifier.Value, strconv.Itoa(int(l.tlsPort))))
	if err != nil {
		return fromNetwork("tls-alpn-01", err)
	}
	defer func() { _ = plain.Close() }() // nothing was promised
	secure := tlsconfig.ClientConfig(nil)
	secure.InsecureSkipVerify = true // the certificate is self-signed; checkChallengeCertificate says what it must be
	secure.MinVersion = tls.VersionTLS12
	secure.CipherSuites = suites12()
	secure.NextProtos = []string{protocolName}
	secure.ServerName = serverName(a.Identifier)
	secure.SessionTicketsDisabled = true
	connection := tls.Client(plain, secure)
	if err := connection.HandshakeContext(ctx); err != nil {
		return fromHandshake(ctx, err)
	}
	state := connection.ConnectionState()
	if state.NegotiatedProtocol != protocolName {
		return refuse(KindUnauthorized, "tls-alpn-01: the host has not chosen the protocol %s", protocolName)
	}
	if len(state.PeerCertificates) == 0 {
		return refuse(KindUnauthorized, "tls-alpn-01: the host has shown no certificate")
	}
	if err := checkChallengeCertificate(state.PeerCertificates[0], a.Identifier, a.digest()); err != nil {
		return refuse(KindUnauthorized, "tls-alpn-01: %v", err)
	}
	return nil
}

// fromHandshake tells a host that has gone, or is slow, from one that speaks otherwise.
func fromHandshake(ctx context.Context, err error) *Error {
	var network net.Error
	if ctx.Err() != nil || errors.As(err, &network) && network.Timeout() {
		return fromNetwork("tls-alpn-01", context.DeadlineExceeded)
	}
	return refuse(KindTLS, "tls-alpn-01: no TLS connection for %s came about", protocolName).because(err)
}

// serverName is what the host is asked for; an address is written as its name in the reverse tree (RFC 8738 section 6).
func serverName(i Identifier) string {
	address, ok := i.Address()
	if !ok {
		return i.Value
	}
	return reverseName(address)
}

// reverseName is the name of an address below in-addr.arpa (RFC 1035 section 3.5) or ip6.arpa (RFC 3596 section 2.5).
func reverseName(address netip.Addr) string {
	raw := address.AsSlice()
	var b strings.Builder
	for i := len(raw) - 1; i >= 0; i-- {
		if address.Is4() {
			fmt.Fprintf(&b, "%d.", raw[i])
		} else {
			fmt.Fprintf(&b, "%x.%x.", raw[i]&0xf, raw[i]>>4)
		}
	}
	if address.Is4() {
		return b.String() + "in-addr.arpa"
	}
	return b.String() + "ip6.arpa"
}

// checkChallengeCertificate accepts the one certificate that proves control (RFC 8737 section 3): self-signed, for exactly the identifier,
// and with the digest in a critical extension. The errors repeat nothing of it.
func checkChallengeCertificate(c *x509.Certificate, i Identifier, digest [sha256.Size]byte) error {
	if !bytes.Equal(c.RawSubject, c.RawIssuer) || c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) != nil {
		return errors.New("the certificate is not self-signed")
	}
	names, err := extension(c, subjectAltName())
	if err != nil {
		return err
	}
	if !holdsExactly(names.Value, i) {
		return errors.New("the certificate's alternative names are not the identifier alone")
	}
	proof, err := extension(c, acmeIdentifier())
	if err != nil {
		return err
	}
	if !proof.Critical {
		return errors.New("the extension acmeIdentifier is not critical")
	}
	value := cryptobyte.String(proof.Value)
	var shown cryptobyte.String
	if !value.ReadASN1(&shown, cryptobyte_asn1.OCTET_STRING) || !value.Empty() || subtle.ConstantTimeCompare(shown, digest[:]) != 1 {
		return errors.New("the extension acmeIdentifier is not the digest of the key authorization")
	}
	return nil
}

// extension finds the one extension of a kind.
func extension(c *x509.Certificate, id asn1.ObjectIdentifier) (found pkix.Extension, err error) {
	n := 0
	for _, e := range c.Extensions {
		if e.Id.Equal(id) {
			found = e
			n++
		}
	}
	if n != 1 {
		return found, fmt.Errorf("the certificate has the extension %s %d times", id, n)
	}
	return found, nil
}

// holdsExactly says whether alternative names are the identifier and nothing else.
func holdsExactly(der []byte, i Identifier) bool {
	outer := cryptobyte.String(der)
	var names, name cryptobyte.String
	var tag cryptobyte_asn1.Tag
	if !outer.ReadASN1(&names, cryptobyte_asn1.SEQUENCE) || !outer.Empty() || !names.ReadAnyASN1(&name, &tag) || !names.Empty() {
		return false
	}
	switch tag {
	case cryptobyte_asn1.Tag(tagDNSName).ContextSpecific():
		return i.Type == TypeDNS && lower(string(name)) == i.Value
	case cryptobyte_asn1.Tag(tagIPAddress).ContextSpecific():
		address, ok := i.Address()
		return ok && bytes.Equal(name, address.AsSlice())
	default:
		return false
	}
}
