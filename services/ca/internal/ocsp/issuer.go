package ocsp

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/identifier"
)

// Name is how a CertID names an issuer. It can be the key of a map.
type Name struct {
	hash      crypto.Hash
	name, key [sha256.Size]byte // SHA-1 leaves the end zero
}

// IssuerNames are the names of an issuer: with SHA-256 and with SHA-1. Compute them once for an issuer.
func IssuerNames(issuer *x509.Certificate) ([]Name, error) {
	var info struct {
		Algorithm asn1.RawValue
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(issuer.RawSubjectPublicKeyInfo, &info); err != nil {
		return nil, fmt.Errorf("name issuer: parse public key: %w", err)
	}
	modern := Name{hash: crypto.SHA256, name: sha256.Sum256(issuer.RawSubject), key: sha256.Sum256(info.Key.RightAlign())}
	oldName, oldKey, err := identifier.OCSPIssuer(issuer)
	if err != nil {
		return nil, fmt.Errorf("name issuer: %w", err)
	}
	old := Name{hash: crypto.SHA1}
	copy(old.name[:], oldName[:])
	copy(old.key[:], oldKey[:])
	return []Name{modern, old}, nil
}

// Issuer is the name by which a CertID calls the issuer; false where the hash is not known.
func (id *CertID) Issuer() (Name, bool) {
	if id.Hash == 0 {
		return Name{}, false
	}
	n := Name{hash: id.Hash}
	copy(n.name[:], id.Name)
	copy(n.key[:], id.Key)
	return n, true
}

// Number is the serial number big-endian without sign, and false for one that is negative or zero, which nobody has.
func (id *CertID) Number() ([]byte, bool) {
	serial := id.Serial
	if serial[0] >= 0x80 {
		return nil, false
	}
	if serial[0] == 0 {
		serial = serial[1:]
	}
	return serial, len(serial) > 0
}
