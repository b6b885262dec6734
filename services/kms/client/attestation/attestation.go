// Package attestation verifies what the KMS states about its keys, without the KMS: who has the statement and the tenant's attestation keys
// knows where a key comes from, whether it may leave, and which FIPS module holds it.
//
// A statement is a compact JWS (RFC 7515 section 7.1) whose protected header has the "typ" [Type] and names its key by "kid", and whose payload
// is the JSON object of [Statement]. The attestation keys are a JWK Set (RFC 7517 section 5). Get them by a way that you trust, such as the
// service's own TLS: whoever chooses the keys chooses what verifies.
package attestation

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
)

// Type is the "typ" of a statement's header.
const Type = "cu-attestation+jws"

// Statement is what the KMS says about one version of a key.
type Statement struct {
	Tenant       string `json:"tenant"`
	ElasticKeyID string `json:"elastic_key_id"`
	KID          string `json:"kid"` // of the version
	Version      int64  `json:"version"`
	Algorithm    string `json:"algorithm"`
	KeySize      int    `json:"key_size,omitempty"` // bits of an RSA modulus
	Curve        string `json:"curve,omitempty"`
	Use          string `json:"use"`
	Origin       string `json:"origin"` // generated, imported, or imported_public for a public key alone
	Exportable   bool   `json:"exportable"`
	// JWKThumbprint is that of the public part (RFC 7638 with SHA-256), if there is one: it ties the statement to a key that somebody holds.
	JWKThumbprint     string    `json:"jwk_thumbprint,omitempty"`
	CreatedAt         time.Time `json:"created_at"`
	FIPSModule        string    `json:"fips_module"`
	FIPSModuleVersion string    `json:"fips_module_version"`
	ServiceVersion    string    `json:"service_version"`
	IssuedAt          int64     `json:"iat"` // seconds since 1970, UTC
}

// Errors of Verify.
var (
	// ErrUnknownKey: the set has no key that the statement names. It may be of another tenant or installation, or the set may be old.
	ErrUnknownKey = errors.New("the statement is not signed by one of these attestation keys")
	// ErrNotVerified: the signature is not that of the key, or it is no statement about a key.
	ErrNotVerified = errors.New("the statement does not verify")
)

// Verify checks a statement with a set of attestation keys and returns what it says.
func Verify(statement string, keySet []byte) (*Statement, error) {
	set, err := jwk.ParseSet(keySet)
	if err != nil {
		return nil, fmt.Errorf("attestation keys: %w", err)
	}
	header, err := jws.ParseHeader(statement)
	if err != nil || header.KeyID == "" {
		return nil, fmt.Errorf("%w: it is no compact JWS that names its key", ErrNotVerified)
	}
	for _, key := range set.Keys {
		if key.ID != header.KeyID {
			continue
		}
		payload, _, err := jws.Verify(key, statement, jws.Expect{Type: Type})
		if err != nil {
			return nil, ErrNotVerified
		}
		said := new(Statement)
		if err := json.Unmarshal(payload, said); err != nil {
			return nil, fmt.Errorf("%w: its content is none: %w", ErrNotVerified, err)
		}
		return said, nil
	}
	return nil, ErrUnknownKey
}

// IsOf says whether the statement is about the key with this public JWK.
func (s Statement) IsOf(public []byte) (bool, error) {
	key, err := jwk.Parse(public)
	if err != nil {
		return false, fmt.Errorf("public key: %w", err)
	}
	return s.JWKThumbprint != "" && s.JWKThumbprint == key.ThumbprintSHA256(), nil
}
