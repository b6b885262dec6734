package ocsp_test

import (
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	witness "golang.org/x/crypto/ocsp"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/ocsp"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/reason"
)

// about is a request about the leaf.
func (p pki) about(t testing.TB) *ocsp.Request {
	t.Helper()
	der, err := witness.CreateRequest(p.leaf.certificate, p.ca.certificate, &witness.RequestOptions{Hash: 5})
	require.NoError(t, err)
	request, err := ocsp.ParseRequest(der)
	require.NoError(t, err)
	return request
}

func TestSign_IsReadBySomebodyElseWithEveryKindOfKey(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 1, 2, 3, 4, 0, time.UTC)
	for name, key := range keys(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPKI(t, key, "")
			request := p.about(t)
			for _, by := range []*issued{p.ca, p.delegate} {
				r := p.responder(t, by)
				if by == p.ca && name == "Ed25519" {
					continue // the witness does not know it; see TestSign_IsBelievedByTheChecker
				}
				for _, c := range []struct {
					say    ocsp.Single
					status int
					reason int
				}{
					{ocsp.Single{Status: ocsp.Good}, witness.Good, 0},
					{ocsp.Single{Status: ocsp.Unknown}, witness.Unknown, 0},
					{ocsp.Single{Status: ocsp.Revoked, RevokedAt: at}, witness.Revoked, 0},
					{ocsp.Single{Status: ocsp.Revoked, RevokedAt: at, Reason: reason.KeyCompromise}, witness.Revoked, 1},
					{ocsp.Single{Status: ocsp.Revoked, RevokedAt: at, Reason: reason.AACompromise}, witness.Revoked, 10},
				} {
					got, err := witness.ParseResponseForCert(answer(t, r, request, c.say), p.leaf.certificate, p.ca.certificate)
					require.NoError(t, err)
					assert.Equal(t, c.status, got.Status)
					assert.Equal(t, c.reason, got.RevocationReason)
					if c.status == witness.Revoked {
						assert.Equal(t, at, got.RevokedAt)
					}
					assert.NotEmpty(t, got.ResponderKeyHash)
					assert.Empty(t, got.RawResponderName)
					assert.WithinDuration(t, time.Now(), got.ProducedAt, time.Minute)
					assert.WithinDuration(t, time.Now().Add(-time.Minute), got.ThisUpdate, time.Minute)
					assert.WithinDuration(t, time.Now().Add(time.Hour), got.NextUpdate, time.Minute)
					if by == p.delegate {
						require.NotNil(t, got.Certificate)
						assert.Equal(t, p.delegate.certificate.Raw, got.Certificate.Raw)
					} else {
						assert.Nil(t, got.Certificate)
					}
				}
			}
		})
	}
}

func TestSign_RefusesWhatWouldBeReadAsSomethingElse(t *testing.T) {
	t.Parallel()
	p := newPKI(t, newECDSA(t, elliptic.P256()), "")
	r := p.responder(t, p.ca)
	now := time.Now()
	whole := ocsp.Single{ID: p.about(t).IDs[0].Raw, Status: ocsp.Good, ThisUpdate: now, NextUpdate: now.Add(time.Hour)}
	_, err := r.Sign(ocsp.Response{ProducedAt: now, Singles: []ocsp.Single{whole}}, p.ca.key)
	require.NoError(t, err)
	_, err = r.Sign(ocsp.Response{ProducedAt: now}, p.ca.key)
	require.Error(t, err)
	for name, change := range map[string]func(*ocsp.Single){
		"no name":              func(s *ocsp.Single) { s.ID = nil },
		"no status":            func(s *ocsp.Single) { s.Status = 0 },
		"another status":       func(s *ocsp.Single) { s.Status = 4 },
		"revoked at no time":   func(s *ocsp.Single) { s.Status = ocsp.Revoked },
		"removed":              func(s *ocsp.Single) { s.Status, s.RevokedAt, s.Reason = ocsp.Revoked, now, reason.RemoveFromCRL },
		"revoked for reason 7": func(s *ocsp.Single) { s.Status, s.RevokedAt, s.Reason = ocsp.Revoked, now, 7 },
		"no nextUpdate":        func(s *ocsp.Single) { s.NextUpdate = time.Time{} },
		"year 10000":           func(s *ocsp.Single) { s.NextUpdate = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		single := whole
		change(&single)
		_, err := r.Sign(ocsp.Response{ProducedAt: now, Singles: []ocsp.Single{whole, single}}, p.ca.key)
		require.Error(t, err, name)
	}
}

func TestNewResponder_RefusesWhomNobodyWouldBelieve(t *testing.T) {
	t.Parallel()
	p := newPKI(t, newECDSA(t, elliptic.P256()), "")
	stranger := newPKI(t, newECDSA(t, elliptic.P256()), "")
	noPurpose := delegation()
	noPurpose.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	noSignature := delegation()
	noSignature.KeyUsage = x509.KeyUsageKeyEncipherment
	other := certify(t, x509.Certificate{Subject: pkix.Name{CommonName: "other"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign}, newECDSA(t, elliptic.P256()), nil)
	for name, by := range map[string]*issued{
		"for servers": certify(t, noPurpose, newECDSA(t, elliptic.P256()), p.ca),
		"not to sign": certify(t, noSignature, newECDSA(t, elliptic.P256()), p.ca),
		"same name":   stranger.delegate,
		"other name":  certify(t, delegation(), newECDSA(t, elliptic.P256()), other),
		"a leaf":      p.leaf,
	} {
		_, err := ocsp.NewResponder(p.ca.certificate, by.certificate, 0)
		require.Error(t, err, name)
	}
}

func TestRefusal_IsWhatOthersReadAsOne(t *testing.T) {
	t.Parallel()
	for refusal, want := range map[ocsp.Refusal]witness.ResponseStatus{
		ocsp.MalformedRequest: witness.Malformed, ocsp.InternalError: witness.InternalError, ocsp.TryLater: witness.TryLater, ocsp.Unauthorized: witness.Unauthorized,
	} {
		_, err := witness.ParseResponse(refusal.DER(), nil)
		var said witness.ResponseError
		require.ErrorAs(t, err, &said)
		assert.Equal(t, want, said.Status)
	}
	assert.Equal(t, witness.UnauthorizedErrorResponse, ocsp.Unauthorized.DER())
}

// TestSign_EchoesNamesAndNonceByteByByte looks for them, in order, in the response.
func TestSign_EchoesNamesAndNonceByteByByte(t *testing.T) {
	t.Parallel()
	p := newPKI(t, newECDSA(t, elliptic.P256()), "")
	first, second := genuine(t), genuine(t)
	first.algorithm = der(0x30, oid(t, 2, 16, 840, 1, 101, 3, 4, 2, 1), der(5)) // with NULL, and without
	second.serial = integer(0, 0x80)
	second.extensions = nonce(t, der(4, []byte("a nonce of 23 bytes ...")))
	a, err := ocsp.ParseRequest(first.der())
	require.NoError(t, err)
	b, err := ocsp.ParseRequest(second.der())
	require.NoError(t, err)
	response := answer(t, p.responder(t, p.delegate), &ocsp.Request{IDs: append(a.IDs, b.IDs...), Nonce: b.Nonce}, ocsp.Single{Status: ocsp.Unknown})
	read := readSingles(t, response)
	require.Len(t, read.Singles, 2)
	assert.Equal(t, a.IDs[0].Raw, read.Singles[0].ID.FullBytes)
	assert.Equal(t, b.IDs[0].Raw, read.Singles[1].ID.FullBytes)
	require.Len(t, read.Extensions, 1)
	assert.Equal(t, asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}, read.Extensions[0].Id)
	assert.False(t, read.Extensions[0].Critical)
	assert.Equal(t, der(4, []byte("a nonce of 23 bytes ...")), read.Extensions[0].Value)
}

// responseData is as much of RFC 6960's as the test looks at.
type responseData struct {
	Responder  asn1.RawValue
	ProducedAt time.Time `asn1:"generalized"`
	Singles    []struct {
		ID         asn1.RawValue
		Status     asn1.RawValue
		ThisUpdate time.Time     `asn1:"generalized"`
		NextUpdate asn1.RawValue `asn1:"optional"`
	}
	Extensions []pkix.Extension `asn1:"explicit,tag:1,optional"`
}

func readSingles(t *testing.T, response []byte) (data responseData) {
	t.Helper()
	var outer struct {
		Status asn1.Enumerated
		Bytes  struct {
			Type asn1.ObjectIdentifier
			DER  []byte
		} `asn1:"explicit,tag:0"`
	}
	_, err := asn1.Unmarshal(response, &outer)
	require.NoError(t, err)
	var basic struct {
		Data         asn1.RawValue
		Algorithm    pkix.AlgorithmIdentifier
		Signature    asn1.BitString
		Certificates asn1.RawValue `asn1:"optional,explicit,tag:0"`
	}
	_, err = asn1.Unmarshal(outer.Bytes.DER, &basic)
	require.NoError(t, err)
	_, err = asn1.Unmarshal(basic.Data.FullBytes, &data)
	require.NoError(t, err)
	return data
}
