package kmstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// AnswersLive is how long answers about the status of certificates are good for, and so how long a revocation may go unnoticed.
const AnswersLive = 4 * time.Second

// ClientPKI is an authority for clients' certificates, with a responder (RFC 6960) and a revocation list (RFC 5280 section 5) on loopback.
type ClientPKI struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	File        string
	server      *httptest.Server

	mu      sync.Mutex
	revoked map[string]time.Time // guarded by mu; by serial number
	silent  bool                 // guarded by mu
}

// NewClientPKI makes an authority with its responders.
func NewClientPKI(t testing.TB) *ClientPKI {
	t.Helper()
	p := &ClientPKI{revoked: map[string]time.Time{}}
	p.certificate, p.key = SelfSigned(t, "authority of clients", 400*24*time.Hour)
	p.File = filepath.Join(t.TempDir(), "clients.pem")
	require.NoError(t, os.WriteFile(p.File, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.certificate.Raw}), 0o600))
	mux := http.NewServeMux()
	mux.HandleFunc("POST /ocsp", p.answering(p.ocsp))
	mux.HandleFunc("GET /crl", p.answering(p.list))
	p.server = httptest.NewServer(mux)
	t.Cleanup(p.server.Close)
	return p
}

// SelfSigned makes an authority that lives from an hour ago.
func SelfSigned(t testing.TB, name string, life time.Duration) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
	return Certify(t, template, template, key, key), key
}

// Certify signs a certificate.
func Certify(t testing.TB, template, issuer *x509.Certificate, subject, signer *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, &subject.PublicKey, signer)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return certificate
}

// Client issues a certificate that lives for so long that its status is needed; change says, among others, who is to be asked.
func (p *ClientPKI) Client(t testing.TB, name string, change ...func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, DNSNames: []string{name},
	}
	for _, c := range change {
		c(template)
	}
	leaf := Certify(t, template, p.certificate, key, p.key)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

// ByOCSP has the certificate name the OCSP responder.
func (p *ClientPKI) ByOCSP(c *x509.Certificate) { c.OCSPServer = []string{p.server.URL + "/ocsp"} }

// ByList has the certificate name the revocation list.
func (p *ClientPKI) ByList(c *x509.Certificate) {
	c.CRLDistributionPoints = []string{p.server.URL + "/crl"}
}

// Revoke is in the next answers.
func (p *ClientPKI) Revoke(c tls.Certificate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.revoked[c.Leaf.SerialNumber.String()] = time.Now()
}

// SetSilent has nobody answer, or answer again.
func (p *ClientPKI) SetSilent(silent bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = silent
}

func (p *ClientPKI) answering(answer func(question []byte) ([]byte, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		question, err := io.ReadAll(r.Body)
		p.mu.Lock()
		defer p.mu.Unlock()
		var body []byte
		if err == nil && !p.silent {
			body, err = answer(question)
		}
		if err != nil || p.silent {
			http.Error(w, "out of order", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(body)
	}
}

// list is the revocation list of now. p.mu is held.
func (p *ClientPKI) list([]byte) ([]byte, error) {
	now := time.Now().Truncate(time.Second)
	template := &x509.RevocationList{Number: big.NewInt(now.UnixNano()), ThisUpdate: now, NextUpdate: now.Add(AnswersLive)}
	for serial, at := range p.revoked {
		number, _ := new(big.Int).SetString(serial, 10)
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: number, RevocationTime: at})
	}
	return x509.CreateRevocationList(rand.Reader, template, p.certificate, p.key)
}

// The structures of RFC 6960 section 4, as far as this responder needs them.
type (
	ocspQuestion struct {
		TBS struct {
			List []struct{ ID asn1.RawValue }
			Rest []pkix.Extension `asn1:"explicit,tag:2,optional"`
		}
	}
	ocspID struct {
		Algorithm pkix.AlgorithmIdentifier
		Name, Key []byte
		Serial    *big.Int
	}
	ocspRevoked struct {
		At time.Time `asn1:"generalized"`
	}
	ocspSingle struct {
		ID         asn1.RawValue
		Good       asn1.Flag   `asn1:"tag:0,optional"`
		Revoked    ocspRevoked `asn1:"tag:1,optional"`
		ThisUpdate time.Time   `asn1:"generalized"`
		NextUpdate time.Time   `asn1:"generalized,explicit,tag:0"` //nolint:revive // tag:0 twice: certStatus [0] and nextUpdate [0] (RFC 6960 section 4.2.1)
	}
	ocspData struct {
		Responder  asn1.RawValue
		ProducedAt time.Time `asn1:"generalized"`
		Singles    []ocspSingle
	}
	ocspBasic struct {
		Data      asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	ocspAnswer struct {
		Status asn1.Enumerated
		Bytes  struct {
			Type asn1.ObjectIdentifier
			DER  []byte
		} `asn1:"explicit,tag:0"`
	}
)

// ecdsaWithSHA256 is the object identifier of RFC 5758 section 3.2.
func ecdsaWithSHA256() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
}

// ocspBasicType is id-pkix-ocsp-basic (RFC 6960 section 4.2.1).
func ocspBasicType() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}
}

// ocsp answers by the authority itself. p.mu is held.
func (p *ClientPKI) ocsp(question []byte) ([]byte, error) {
	var asked ocspQuestion
	if _, err := asn1.Unmarshal(question, &asked); err != nil {
		return nil, err
	}
	now := time.Now().UTC().Truncate(time.Second)
	data := ocspData{Responder: asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 1, IsCompound: true, Bytes: p.certificate.RawSubject}, ProducedAt: now}
	for _, request := range asked.TBS.List {
		var id ocspID
		if _, err := asn1.Unmarshal(request.ID.FullBytes, &id); err != nil {
			return nil, err
		}
		single := ocspSingle{ID: asn1.RawValue{FullBytes: request.ID.FullBytes}, ThisUpdate: now, NextUpdate: now.Add(AnswersLive)}
		if at, revoked := p.revoked[id.Serial.String()]; revoked {
			single.Revoked.At = at.UTC()
		} else {
			single.Good = true
		}
		data.Singles = append(data.Singles, single)
	}
	tbs, err := asn1.Marshal(data)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(tbs)
	signature, err := p.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	inner, err := asn1.Marshal(ocspBasic{
		asn1.RawValue{FullBytes: tbs}, pkix.AlgorithmIdentifier{Algorithm: ecdsaWithSHA256()}, asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)},
	})
	if err != nil {
		return nil, err
	}
	var answer ocspAnswer
	answer.Bytes.Type, answer.Bytes.DER = ocspBasicType(), inner
	return asn1.Marshal(answer)
}
