package certificate_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
)

// twin is one certificate as crypto/x509 is told it and as this package is.
type twin struct {
	standard x509.Certificate
	extra    []pkix.Extension // given to both
	own      certificate.Template
}

var (
	purposes = map[x509.ExtKeyUsage]asn1.ObjectIdentifier{
		x509.ExtKeyUsageServerAuth: {1, 3, 6, 1, 5, 5, 7, 3, 1}, x509.ExtKeyUsageClientAuth: {1, 3, 6, 1, 5, 5, 7, 3, 2},
		x509.ExtKeyUsageOCSPSigning: {1, 3, 6, 1, 5, 5, 7, 3, 9}, x509.ExtKeyUsageAny: {2, 5, 29, 37, 0},
	}
	moment = time.Date(2026, 11, 22, 10, 30, 15, 999_999_999, time.FixedZone("somewhere", 3600))
)

func extension(t testing.TB) func(e pkix.Extension, err error) pkix.Extension {
	t.Helper()
	return func(e pkix.Extension, err error) pkix.Extension {
		t.Helper()
		require.NoError(t, err)
		return e
	}
}

// twins are certificates of many shapes.
func twins(t testing.TB) map[string]*twin {
	t.Helper()
	all := map[string]*twin{}
	add := func(name string, change func(w *twin)) {
		w := &twin{standard: x509.Certificate{SerialNumber: big.NewInt(0x1234), NotBefore: moment, NotAfter: moment.AddDate(0, 3, 0)}}
		w.standard.Subject = pkix.Name{CommonName: "subject " + name, Country: []string{"CH"}}
		change(w)
		all[name] = w
	}
	add("plain", func(*twin) {})
	add("high serial", func(w *twin) { w.standard.SerialNumber = big.NewInt(0xff00ff) })
	add("drawn serial", func(w *twin) { w.standard.SerialNumber = certificate.NewSerial().Int() })
	add("no subject", func(w *twin) { w.standard.Subject, w.standard.DNSNames = pkix.Name{}, []string{"a.example"} })
	add("unicode", func(w *twin) { w.standard.Subject.CommonName = "Zürich & Söhne *" })
	add("long life", func(w *twin) { w.standard.NotAfter = time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC) })
	add("generalized time", func(w *twin) { w.standard.NotAfter = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) })
	add("old", func(w *twin) { w.standard.NotBefore = time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC) })
	for usage := x509.KeyUsage(1); usage < 512; usage = usage*2 + usage%3 {
		add("usage "+big.NewInt(int64(usage)).String(), func(w *twin) { w.standard.KeyUsage = usage })
	}
	for _, length := range []int{-1, 0, 1, 127, 128, 300} {
		add("authority "+big.NewInt(int64(length)).String(), func(w *twin) {
			w.standard.BasicConstraintsValid, w.standard.IsCA, w.standard.MaxPathLen, w.standard.MaxPathLenZero = true, true, length, length == 0
			w.standard.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
			w.standard.SubjectKeyId = bytes.Repeat([]byte{7}, 20)
		})
	}
	add("leaf", func(w *twin) { w.standard.BasicConstraintsValid = true })
	add("names", func(w *twin) {
		w.standard.DNSNames = []string{"b.example", "*.a.example", "xn--mnchen-3ya.example"}
		w.standard.IPAddresses = []net.IP{net.IPv4(192, 0, 2, 1).To4(), net.ParseIP("2001:db8::1")}
		w.standard.EmailAddresses = []string{"x@example.com"}
		w.standard.URIs = []*url.URL{{Scheme: "spiffe", Host: "example.org", Path: "/ns/x"}}
	})
	add("whole", func(w *twin) {
		w.standard.KeyUsage = x509.KeyUsageDigitalSignature
		w.standard.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageOCSPSigning, x509.ExtKeyUsageAny}
		w.standard.BasicConstraintsValid = true
		w.standard.SubjectKeyId = []byte{1, 2, 3}
		w.standard.DNSNames = []string{"a.example"}
		w.standard.OCSPServer = []string{"http://ocsp.example", "http://ocsp2.example"}
		w.standard.IssuingCertificateURL = []string{"http://ca.example/ca.cer"}
		w.standard.CRLDistributionPoints = []string{"http://ca.example/1.crl", "http://ca.example/2.crl"}
		w.standard.PolicyIdentifiers = []asn1.ObjectIdentifier{{2, 23, 140, 1, 2, 1}, {1, 3, 6, 1, 4, 1, 5555, 1}}
		w.extra = []pkix.Extension{
			certificate.OCSPNoCheck(), extension(t)(certificate.TLSFeature(certificate.FeatureStatusRequest)),
			{Id: []int{1, 3, 6, 1, 4, 1, 5555, 2}, Critical: true, Value: []byte{5, 0}},
		}
	})
	add("constrained", func(w *twin) {
		w.standard.PermittedDNSDomainsCritical = true
		w.standard.PermittedDNSDomains, w.standard.ExcludedDNSDomains = []string{"example.com", ".example.net"}, []string{"x.example.com"}
		w.standard.PermittedIPRanges = []*net.IPNet{{IP: net.IPv4(10, 0, 0, 0).To4(), Mask: net.CIDRMask(9, 32)}}
		w.standard.ExcludedIPRanges = []*net.IPNet{{IP: net.ParseIP("2001:db8::"), Mask: net.CIDRMask(33, 128)}}
		w.standard.PermittedEmailAddresses, w.standard.ExcludedURIDomains = []string{"example.com"}, []string{".uri.example"}
	})
	return all
}

// complete tells the second of the twins what the first knows.
func (w *twin) complete(t testing.TB) {
	t.Helper()
	s, own := &w.standard, &w.own
	s.ExtraExtensions = w.extra
	own.Serial, own.NotBefore, own.NotAfter = must(certificate.SerialOf(s.SerialNumber)), s.NotBefore, s.NotAfter
	own.Subject = must(asn1.Marshal(s.Subject.ToRDNSequence()))
	own.SAN.DNS, own.SAN.Email = s.DNSNames, s.EmailAddresses
	for _, ip := range s.IPAddresses {
		own.SAN.IP = append(own.SAN.IP, netip.MustParseAddr(ip.String()))
	}
	for _, uri := range s.URIs {
		own.SAN.URI = append(own.SAN.URI, uri.String())
	}
	own.SubjectKeyID, own.OCSP, own.IssuerURLs, own.CRL = s.SubjectKeyId, s.OCSPServer, s.IssuingCertificateURL, s.CRLDistributionPoints
	own.Extensions = append([]pkix.Extension{}, w.extra...)
	put := func(e pkix.Extension, err error) { own.Extensions = append(own.Extensions, extension(t)(e, err)) }
	if s.KeyUsage != 0 {
		put(certificate.KeyUsage(s.KeyUsage))
	}
	if len(s.ExtKeyUsage) > 0 {
		var ids []asn1.ObjectIdentifier
		for _, usage := range s.ExtKeyUsage {
			ids = append(ids, purposes[usage])
		}
		put(certificate.ExtendedKeyUsage(false, ids...))
	}
	if s.BasicConstraintsValid {
		length := s.MaxPathLen
		if !s.IsCA {
			length = -1
		}
		put(certificate.BasicConstraints(s.IsCA, length))
	}
	var policies []certificate.Policy
	for _, id := range s.PolicyIdentifiers {
		s.Policies = append(s.Policies, must(x509.OIDFromInts(wide(id))))
		policies = append(policies, certificate.Policy{ID: id})
	}
	if len(policies) > 0 {
		put(certificate.CertificatePolicies(policies...))
	}
	if s.PermittedDNSDomainsCritical {
		put(certificate.NameConstraints(true, subtrees(s.PermittedDNSDomains, s.PermittedIPRanges, s.PermittedEmailAddresses, nil),
			subtrees(s.ExcludedDNSDomains, s.ExcludedIPRanges, nil, s.ExcludedURIDomains)))
	}
}

func wide(id asn1.ObjectIdentifier) (arcs []uint64) {
	for _, arc := range id {
		arcs = append(arcs, uint64(arc))
	}
	return arcs
}

func subtrees(dns []string, ranges []*net.IPNet, email, uri []string) certificate.Subtrees {
	trees := certificate.Subtrees{DNS: dns, Email: email, URI: uri}
	for _, r := range ranges {
		trees.IP = append(trees.IP, netip.MustParsePrefix(r.String()))
	}
	return trees
}

func TestTBS_HasTheBytesOfTheStandardLibrary(t *testing.T) {
	t.Parallel()
	issuer := &x509.Certificate{Subject: pkix.Name{CommonName: "Issuer", Organization: []string{"O"}}, SubjectKeyId: bytes.Repeat([]byte{9}, 20)}
	for issuerName, key := range keys() {
		for name, w := range twins(t) {
			if issuerName != "P-256" && name != "whole" {
				continue // the issuer's key changes the signature algorithm alone
			}
			w.complete(t)
			for _, algorithm := range certificate.SignatureAlgorithms(key.Public()) {
				w.standard.SignatureAlgorithm = algorithm
				text, err := x509.CreateCertificate(rand.Reader, &w.standard, issuer, key.Public(), key)
				require.NoError(t, err, name)
				want, err := x509.ParseCertificate(text)
				require.NoError(t, err, name)

				w.own.Issuer, w.own.SPKI = want.RawIssuer, want.RawSubjectPublicKeyInfo
				w.own.AuthorityKeyID = issuer.SubjectKeyId
				w.own.Signature = must(certificate.Identifier(algorithm))
				tbs, err := w.own.TBS()
				require.NoError(t, err, name)
				require.Equal(t, want.RawTBSCertificate, tbs, "%s, %s, %s", issuerName, algorithm, name)
				whole, err := certificate.Assemble(tbs, want.Signature)
				require.NoError(t, err)
				require.Equal(t, text, whole)
				again, err := w.own.TBS()
				require.NoError(t, err)
				assert.Equal(t, tbs, again)
			}
		}
	}
}

// fixed is a signer that costs nothing, so that the benchmarks compare encoders.
func benchmarkTwin(b *testing.B) *twin {
	b.Helper()
	w := twins(b)["whole"]
	w.complete(b)
	w.own.Issuer, w.own.SPKI, w.own.AuthorityKeyID = w.own.Subject, spki(b, keys()["P-256"]), bytes.Repeat([]byte{9}, 20)
	w.own.Signature = must(certificate.Identifier(x509.ECDSAWithSHA256))
	return w
}

func BenchmarkTBS(b *testing.B) {
	w := benchmarkTwin(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.own.TBS(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStandardLibrary signs and verifies as well; BenchmarkSign is its counterpart, BenchmarkTBS what a lint needs.
func BenchmarkStandardLibrary(b *testing.B) {
	w := benchmarkTwin(b)
	issuer := &x509.Certificate{Subject: w.standard.Subject, SubjectKeyId: bytes.Repeat([]byte{9}, 20)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := x509.CreateCertificate(rand.Reader, &w.standard, issuer, keys()["P-256"].Public(), keys()["P-256"]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	w := benchmarkTwin(b)
	b.ReportAllocs()
	for b.Loop() {
		tbs, err := w.own.TBS()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := certificate.Sign(tbs, keys()["P-256"], x509.ECDSAWithSHA256); err != nil {
			b.Fatal(err)
		}
	}
}
