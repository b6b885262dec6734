package revocation_test

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ocsp"

	"github.com/cryptoutil/cryptoutil/libs/crypto/identifier"
)

// witness answers by golang.org/x/crypto/ocsp: what is asked and answered is understood by others. Serial numbers in revoked are revoked; every
// question must use SHA-256 names.
func (p *pki) witness(t testing.TB, revoked ...*issued) func([]byte) (int, []byte) {
	t.Helper()
	return func(question []byte) (int, []byte) {
		request, err := ocsp.ParseRequest(question)
		if !assert.NoError(t, err) || !assert.Equal(t, crypto.SHA256, request.HashAlgorithm) {
			return http.StatusBadRequest, nil
		}
		now := p.time.read()
		template := ocsp.Response{
			Status: ocsp.Good, SerialNumber: request.SerialNumber, ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(time.Hour), IssuerHash: crypto.SHA256,
		}
		for _, r := range revoked {
			if r.certificate.SerialNumber.Cmp(request.SerialNumber) == 0 {
				template.Status, template.RevokedAt, template.RevocationReason = ocsp.Revoked, now.Add(-time.Hour), ocsp.KeyCompromise
			}
		}
		der, err := ocsp.CreateResponse(p.ca.certificate, p.ca.certificate, template, p.ca.key)
		if !assert.NoError(t, err) {
			return http.StatusInternalServerError, nil
		}
		return http.StatusOK, der
	}
}

// The structures of RFC 6960, for responses that no honest responder makes.
type (
	id struct {
		Algorithm pkix.AlgorithmIdentifier
		Name, Key []byte
		Serial    *big.Int
	}
	revokedInfo struct {
		At     time.Time       `asn1:"generalized"`
		Reason asn1.Enumerated `asn1:"explicit,tag:0,optional"`
	}
	single struct {
		ID         id
		Good       asn1.Flag        `asn1:"tag:0,optional"`
		Revoked    revokedInfo      `asn1:"tag:1,optional"`
		Unknown    asn1.Flag        `asn1:"tag:2,optional"`
		ThisUpdate time.Time        `asn1:"generalized"`
		NextUpdate time.Time        `asn1:"generalized,explicit,tag:0,optional"` //nolint:revive // the standard tags the choice before it alike
		Extensions []pkix.Extension `asn1:"explicit,tag:1,optional"`             //nolint:revive // likewise
	}
	data struct {
		Responder  asn1.RawValue
		ProducedAt time.Time `asn1:"generalized"`
		Singles    []single
		Extensions []pkix.Extension `asn1:"explicit,tag:1,optional"`
	}
	basic struct {
		Data         asn1.RawValue
		Algorithm    pkix.AlgorithmIdentifier
		Signature    asn1.BitString
		Certificates []asn1.RawValue `asn1:"explicit,tag:0,optional"`
	}
	outer struct {
		Status asn1.Enumerated
		Bytes  struct {
			Type asn1.ObjectIdentifier
			DER  []byte
		} `asn1:"explicit,tag:0,optional"`
	}
)

// response is a response about a leaf that a test alters before it is signed.
type response struct {
	data      data
	signer    *issued
	algorithm asn1.ObjectIdentifier
	embed     []*issued
	kind      asn1.ObjectIdentifier

	options    crypto.SignerOpts         // nil: SHA-256
	identifier *pkix.AlgorithmIdentifier // nil: algorithm
}

// keyHashBytes is the content of the BIT STRING of a public key.
func keyBytes(t testing.TB, c *x509.Certificate) []byte {
	t.Helper()
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	_, err := asn1.Unmarshal(c.RawSubjectPublicKeyInfo, &info)
	require.NoError(t, err)
	return info.Key.Bytes
}

// idOf names a leaf with SHA-256.
func idOf(t testing.TB, leaf, issuer *x509.Certificate) id {
	t.Helper()
	name, key := sha256.Sum256(issuer.RawSubject), sha256.Sum256(keyBytes(t, issuer))
	return id{pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}}, name[:], key[:], leaf.SerialNumber}
}

// oldIDOf names a leaf with SHA-1.
func oldIDOf(t testing.TB, leaf, issuer *x509.Certificate) id {
	t.Helper()
	name, key, err := identifier.OCSPIssuer(issuer)
	require.NoError(t, err)
	return id{pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, Parameters: asn1.NullRawValue}, name[:], key[:], leaf.SerialNumber}
}

// good is a response that says good, signed by the authority.
func (p *pki) good(t testing.TB, leaf *issued) response {
	t.Helper()
	now := p.time.read()
	return response{
		data: data{
			Responder:  asn1.RawValue{Class: 2, Tag: 1, IsCompound: true, Bytes: p.ca.certificate.RawSubject},
			ProducedAt: now.UTC(),
			Singles:    []single{{ID: idOf(t, leaf.certificate, p.ca.certificate), Good: true, ThisUpdate: now.Add(-time.Minute).UTC(), NextUpdate: now.Add(time.Hour).UTC()}},
		},
		signer: p.ca, algorithm: asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}, kind: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1},
	}
}

// der signs and encodes.
func (r response) der(t testing.TB) []byte {
	t.Helper()
	tbs, err := asn1.Marshal(r.data)
	require.NoError(t, err)
	options, algorithm := r.options, pkix.AlgorithmIdentifier{Algorithm: r.algorithm}
	if options == nil {
		options = crypto.SHA256
	}
	if r.identifier != nil {
		algorithm = *r.identifier
	}
	digest := tbs
	if hash := options.HashFunc(); hash != 0 {
		h := hash.New()
		h.Write(tbs)
		digest = h.Sum(nil)
	}
	signature, err := r.signer.key.Sign(rand.Reader, digest, options)
	require.NoError(t, err)
	b := basic{Data: asn1.RawValue{FullBytes: tbs}, Algorithm: algorithm, Signature: asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}}
	for _, c := range r.embed {
		b.Certificates = append(b.Certificates, asn1.RawValue{FullBytes: c.certificate.Raw})
	}
	inner, err := asn1.Marshal(b)
	require.NoError(t, err)
	var o outer
	o.Bytes.Type, o.Bytes.DER = r.kind, inner
	whole, err := asn1.Marshal(o)
	require.NoError(t, err)
	return whole
}

// oldNames says whether a question uses SHA-1 names.
func oldNames(t testing.TB, question []byte) bool {
	t.Helper()
	request, err := ocsp.ParseRequest(question)
	require.NoError(t, err)
	return request.HashAlgorithm == crypto.SHA1
}
