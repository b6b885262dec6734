package hierarchy

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
)

// Kind is the place of a CA in its hierarchy.
type Kind string

// Kinds of CAs.
const (
	Root         Kind = "root"         // certifies itself; signs certificates of CAs and CRLs alone
	Intermediate Kind = "intermediate" // certifies CAs, under the policy of the root
	Issuing      Kind = "issuing"      // certifies everybody else
)

// Family is the set of rules that a CA's certificates keep.
type Family string

// Families.
const (
	Private Family = "private" // an organization's own rules
	BR      Family = "br"      // those of the CA/Browser Forum
)

// Status is the state of a CA.
type Status string

// States of a CA.
const (
	Pending   Status = "pending"   // has a key, and no certificate yet
	Active    Status = "active"    // signs
	Retired   Status = "retired"   // signs CRLs and OCSP responses alone
	Destroyed Status = "destroyed" // has no key any more
)

// Custody is where a CA's private key is.
type Custody string

// Custodies.
const (
	Barrier Custody = "barrier" // encrypted in the database
	Offline Custody = "offline" // elsewhere: the CA is known by its certificate
)

// CA is a certification authority: a name and a key.
type CA struct {
	Tenant      string
	ID          string
	Name        string
	Description string
	Kind        Kind
	Family      Family
	Status      Status
	Custody     Custody
	// Algorithm is what the key signs with, as in package alg: ES256, ES384, ES512, Ed25519, RS256 to RS512, PS256 to PS512.
	Algorithm string
	KeySize   int // bits of an RSA modulus; 0 otherwise
	// Subject is the DER Name that certificates have as their issuer.
	Subject []byte
	// SPKI is the DER SubjectPublicKeyInfo, KeyID the key identifier (RFC 7093 section 2, method 1).
	SPKI, KeyID []byte
	// ParentID is the CA here that has certified this one; empty for none.
	ParentID string
	// Profiles are those that the CA issues by; none: all of its family that fit its kind.
	Profiles []string
	// BaseURL is what the URLs in certificates begin with: of OCSP, CRLs and the CA's own certificate. Empty for none.
	BaseURL string
	// Shards is how many parts the CA's list of revocations has.
	Shards int
	// Lab marks a CA of the br family that issues without remote perspectives and is nobody's publicly trusted one.
	Lab bool
	// SuccessorID takes over at SucceededAt; empty for none.
	SuccessorID string
	SucceededAt time.Time
	WrappedKey  string // empty where Custody is Offline, or the key is destroyed
	CreatedAt   time.Time
	UpdatedAt   time.Time
	Revision    int64
}

// Spec is the entry of the CA's key in the table of algorithms.
func (c CA) Spec() (alg.Spec, error) { return alg.ParseSpec(c.Algorithm, c.KeySize, "") }

// SignatureAlgorithm is what the CA signs with; hash, where it is not 0, is the one that is asked for.
func (c CA) SignatureAlgorithm(hash crypto.Hash) (x509.SignatureAlgorithm, error) {
	public, err := x509.ParsePKIXPublicKey(c.SPKI)
	if err != nil {
		return 0, fmt.Errorf("read the public key of CA %s: %w", c.ID, err)
	}
	if hash == 0 {
		usual, err := alg.LookupSignature(c.Algorithm)
		if err != nil {
			return 0, err
		}
		hash = usual.Hash
	}
	return certificate.ChooseSignature(public, hash, strings.HasPrefix(c.Algorithm, "PS"))
}

// Issues tells whether the CA issues by a profile of this name.
func (c CA) Issues(profile string) bool {
	return len(c.Profiles) == 0 || slices.Contains(c.Profiles, profile)
}

// Succeeded tells whether the successor has taken over.
func (c CA) Succeeded(now time.Time) bool {
	return c.SuccessorID != "" && !now.Before(c.SucceededAt)
}

// Certificate is one by which a CA is known.
type Certificate struct {
	Tenant string
	CAID   string
	// Serial is in hexadecimal, as everywhere: see package certificate.
	Serial string
	// IssuerKeyID is the key identifier of the CA that has signed, IssuerID its id here, empty for a foreign one.
	IssuerKeyID []byte
	IssuerID    string
	// Primary marks the one that chains are built with unless another is asked for.
	Primary bool
	DER     []byte
	// Above are the certificates above it, where a foreign CA has signed: each certifies the one before.
	Above     [][]byte
	NotBefore time.Time
	NotAfter  time.Time
	CreatedAt time.Time
}

// Transition is a change of state that may happen.
type Transition struct {
	Action string
	From   []Status
	To     Status
}

// Transitions is the whole table. What is not here does not happen; an UPDATE states From in its WHERE.
func Transitions() []Transition {
	return []Transition{activate(), retire(), resume(), destroy()}
}

func activate() Transition { return Transition{"activate", []Status{Pending}, Active} }
func retire() Transition   { return Transition{"retire", []Status{Active}, Retired} }
func resume() Transition   { return Transition{"resume", []Status{Retired}, Active} }

// A CA whose certificates are still valid must sign their revocations: only one that has none is destroyed.
func destroy() Transition {
	return Transition{"destroy", []Status{Pending, Retired}, Destroyed}
}
