package validation_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

var oidAcmeIdentifier = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31}

// proof is the extension that RFC 8737 wants.
func proof(t *testing.T, text string, critical bool) pkix.Extension {
	t.Helper()
	sum := sha256.Sum256([]byte(text))
	value, err := asn1.Marshal(sum[:])
	require.NoError(t, err)
	return pkix.Extension{Id: oidAcmeIdentifier, Critical: critical, Value: value}
}

// challengeCertificate makes a certificate; change makes it wrong.
func challengeCertificate(t *testing.T, names []string, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "challenge"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtraExtensions: []pkix.Extension{proof(t, keyAuthorization, true)},
	}
	for _, name := range names {
		if address := net.ParseIP(name); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// challenged answers TLS connections on a port of this machine, and tells the names that it was asked for.
func challenged(t *testing.T, config *tls.Config) (port uint16, asked <-chan string) {
	t.Helper()
	l, port := listen(t)
	names := make(chan string, 10)
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		names <- hello.ServerName
		return nil, nil
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_ = tls.Server(c, config).HandshakeContext(t.Context())
				_ = c.Close()
			}()
		}
	}()
	return port, names
}

func proveALPN(t *testing.T, port uint16, i validation.Identifier) error {
	t.Helper()
	l := local(t, validation.LocalConfig{Resolver: hosts("www.example.com"), TLSPort: port})
	return l.Prove(t.Context(), attempt(validation.TLSALPN01, i))
}

func TestTLSALPN01_AcceptsTheChallengeCertificateByTLS12And13(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for value, serverName := range map[string]string{"www.example.com": "www.example.com", "127.0.0.1": "1.0.0.127.in-addr.arpa"} {
			certificate := challengeCertificate(t, []string{value}, nil)
			port, asked := challenged(t, &tls.Config{
				Certificates: []tls.Certificate{certificate}, NextProtos: []string{"acme-tls/1"}, MinVersion: version, MaxVersion: version,
			})
			i := domain(t, "www.example.com")
			if value != "www.example.com" {
				i = ip(t, value)
			}
			require.NoError(t, proveALPN(t, port, i), "%s %x", value, version)
			assert.Equal(t, serverName, <-asked)
		}
	}
}

func TestTLSALPN01_ComparesNamesWithoutCase(t *testing.T) {
	t.Parallel()
	certificate := challengeCertificate(t, []string{"WWW.Example.com"}, nil)
	port, _ := challenged(t, &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"acme-tls/1"}})
	assert.NoError(t, proveALPN(t, port, domain(t, "www.example.com")))
}

func TestTLSALPN01_RefusesOtherCertificates(t *testing.T) {
	t.Parallel()
	name := []string{"www.example.com"}
	for test, certificate := range map[string]tls.Certificate{
		"another name":     challengeCertificate(t, []string{"other.example.com"}, nil),
		"one name more":    challengeCertificate(t, []string{"www.example.com", "other.example.com"}, nil),
		"an address more":  challengeCertificate(t, []string{"www.example.com", "127.0.0.1"}, nil),
		"a mail address":   challengeCertificate(t, name, func(c *x509.Certificate) { c.EmailAddresses = []string{"a@example.com"} }),
		"no name":          challengeCertificate(t, nil, nil),
		"no proof":         challengeCertificate(t, name, func(c *x509.Certificate) { c.ExtraExtensions = nil }),
		"another's proof":  challengeCertificate(t, name, func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{proof(t, "other", true)} }),
		"not critical":     challengeCertificate(t, name, func(c *x509.Certificate) { c.ExtraExtensions[0].Critical = false }),
		"proof is cut":     challengeCertificate(t, name, func(c *x509.Certificate) { c.ExtraExtensions[0].Value = c.ExtraExtensions[0].Value[:20] }),
		"proof is longer":  challengeCertificate(t, name, func(c *x509.Certificate) { c.ExtraExtensions[0].Value = append(c.ExtraExtensions[0].Value, 5, 0) }),
		"proof is no text": challengeCertificate(t, name, func(c *x509.Certificate) { c.ExtraExtensions[0].Value = []byte{} }),
		"issued":           issued(t),
	} {
		t.Run(test, func(t *testing.T) {
			t.Parallel()
			port, _ := challenged(t, &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"acme-tls/1"}})
			refused(t, validation.KindUnauthorized, proveALPN(t, port, domain(t, "www.example.com")))
		})
	}
}

// issued is a certificate that holds everything, and is signed by another key than its own.
func issued(t *testing.T) tls.Certificate {
	t.Helper()
	issuer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "same"}, DNSNames: []string{"www.example.com"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), ExtraExtensions: []pkix.Extension{proof(t, keyAuthorization, true)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), issuer)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestTLSALPN01_WantsTheProtocolAndModernTLS(t *testing.T) {
	t.Parallel()
	certificate := challengeCertificate(t, []string{"www.example.com"}, nil)
	port, _ := challenged(t, &tls.Config{Certificates: []tls.Certificate{certificate}})
	refused(t, validation.KindUnauthorized, proveALPN(t, port, domain(t, "www.example.com")))
	port, _ = challenged(t, &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2"}})
	refused(t, validation.KindTLS, proveALPN(t, port, domain(t, "www.example.com")))
}

func TestTLSALPN01_WhatIsNoTLSIsRefusedInTime(t *testing.T) {
	t.Parallel()
	for name, speak := range map[string]func(net.Conn){
		"silence": func(net.Conn) {},
		"garbage": func(c net.Conn) { _, _ = c.Write([]byte("SSH-2.0-OpenSSH_9.2\r\n")) },
		"closed":  func(c net.Conn) { _ = c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, port := listen(t)
			go func() {
				if c, err := l.Accept(); err == nil {
					speak(c)
					<-t.Context().Done()
					_ = c.Close()
				}
			}()
			prover := local(t, validation.LocalConfig{
				Resolver: hosts("www.example.com"), TLSPort: port, Limits: validation.Limits{Whole: 500 * time.Millisecond},
			})
			err := prover.Prove(t.Context(), attempt(validation.TLSALPN01, domain(t, "www.example.com")))
			var refusal *validation.Error
			require.ErrorAs(t, err, &refusal)
			if name == "silence" {
				assert.True(t, refusal.Passing)
				assert.Equal(t, validation.KindConnection, refusal.Kind)
			}
		})
	}
}

func TestTLSALPN01_GoesToAllowedAddressesOnly(t *testing.T) {
	t.Parallel()
	certificate := challengeCertificate(t, []string{"www.example.com"}, nil)
	port, _ := challenged(t, &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"acme-tls/1"}})
	l := local(t, validation.LocalConfig{Resolver: hosts("www.example.com"), TLSPort: port})
	a := attempt(validation.TLSALPN01, domain(t, "www.example.com"))
	a.Targets = nil
	refused(t, validation.KindConnection, l.Prove(t.Context(), a))
	refused(t, validation.KindMalformed, l.Prove(t.Context(), attempt(validation.TLSALPN01, domain(t, "*.example.com"))))
}
