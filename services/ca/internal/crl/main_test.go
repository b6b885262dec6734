package crl_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/crl"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/reason"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/signing"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// now is a whole second: lists know no others.
var now = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// authority is an issuer.
type authority struct {
	certificate *x509.Certificate
	signer      *signing.Signer
}

func newAuthority(t testing.TB, key crypto.Signer) authority {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "crl test", Organization: []string{"cryptoutil"}}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCRLSign | x509.KeyUsageCertSign, NotBefore: now, NotAfter: now.Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	signer, err := signing.New(key, 0)
	require.NoError(t, err)
	return authority{certificate, signer}
}

func newECDSA(t testing.TB, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	return key
}

// keys are one of each kind.
func keys(t testing.TB) map[string]crypto.Signer {
	t.Helper()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return map[string]crypto.Signer{
		"P-256": newECDSA(t, elliptic.P256()), "P-384": newECDSA(t, elliptic.P384()), "P-521": newECDSA(t, elliptic.P521()),
		"RSA": rsaKey, "Ed25519": edKey,
	}
}

// list is a complete list.
func (a authority) list(change ...func(*crl.List)) crl.List {
	l := crl.List{
		Issuer: a.certificate.RawSubject, AuthorityKeyID: a.certificate.SubjectKeyId, Number: big.NewInt(7), ThisUpdate: now, NextUpdate: now.Add(24 * time.Hour),
	}
	for _, c := range change {
		c(&l)
	}
	return l
}

func (a authority) encode(t testing.TB, l crl.List, entries crl.Entries) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, crl.Encode(&out, l, entries, a.signer))
	return out.Bytes()
}

// some is a list's worth of the entries.
func some(entries ...crl.Entry) crl.Entries {
	return func(yield func(crl.Entry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// many makes n entries with serial numbers of 16 bytes.
func many(n int) crl.Entries {
	return func(yield func(crl.Entry, error) bool) {
		var serial [16]byte
		serial[0] = 0x80
		for i := range n {
			binary.BigEndian.PutUint64(serial[8:], uint64(i))
			if !yield(crl.Entry{Serial: serial[:], RevokedAt: now.Add(-time.Duration(i) * time.Second), Reason: reason.Superseded}, nil) {
				return
			}
		}
	}
}
