package revocation

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"

	"github.com/cryptoutil/cryptoutil/libs/crypto/identifier"
)

// certID names a certificate to a responder (RFC 6960 section 4.1.1).
type certID struct {
	Algorithm pkix.AlgorithmIdentifier
	Name, Key []byte
	Serial    *big.Int
}

// equal compares names. The parameters of the algorithm are NULL or absent, which means the same.
func (a certID) equal(b certID) bool {
	return a.Algorithm.Algorithm.Equal(b.Algorithm.Algorithm) && bytes.Equal(a.Name, b.Name) && bytes.Equal(a.Key, b.Key) &&
		a.Serial != nil && b.Serial != nil && a.Serial.Cmp(b.Serial) == 0
}

// digests are the hashes by which an issuer goes.
type digests struct{ name, key []byte }

// names are those of an issuer in OCSP: modern with SHA-256, and old, with which many responders are content alone.
type names struct{ modern, old digests }

// namesOf computes the names of an issuer.
func namesOf(issuer *x509.Certificate) (names, error) {
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(issuer.RawSubjectPublicKeyInfo, &info); err != nil {
		return names{}, fmt.Errorf("parse the issuer's key: %w", err)
	}
	name, key := sha256.Sum256(issuer.RawSubject), sha256.Sum256(info.Key.RightAlign())
	oldName, oldKey, err := identifier.OCSPIssuer(issuer)
	if err != nil {
		return names{}, err
	}
	return names{modern: digests{name[:], key[:]}, old: digests{oldName[:], oldKey[:]}}, nil
}

// ids are the names of a certificate under an issuer, the one to begin with first.
func (n names) ids(serial *big.Int) []certID {
	null := asn1.NullRawValue
	return []certID{
		{pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, Parameters: null}, n.modern.name, n.modern.key, serial},
		{pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, Parameters: null}, n.old.name, n.old.key, serial},
	}
}

// requestFor encodes the question about one certificate (RFC 6960 section 4.1.1), unsigned and without extensions.
func requestFor(id certID) ([]byte, error) {
	type single struct{ ID certID }
	type question struct{ List []single }
	der, err := asn1.Marshal(struct{ Question question }{question{[]single{{id}}}})
	if err != nil {
		return nil, fmt.Errorf("encode OCSP request: %w", err)
	}
	return der, nil
}
