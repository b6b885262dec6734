package keyring

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
)

// Origin says where a material key came from.
type Origin string

// Origins.
const (
	// OriginGenerated is a key made by this service.
	OriginGenerated Origin = "generated"
	// OriginImported is a key that a caller has brought.
	OriginImported Origin = "imported"
	// OriginPublic is the public part alone of a key that is elsewhere: it verifies or encrypts.
	OriginPublic Origin = "imported_public"
)

// ElasticKey is a key ring: a name, a policy and its versions.
type ElasticKey struct {
	Tenant      string
	ID          string // UUIDv7
	Name        string // unique in the tenant, among aliases too
	Description string
	Tags        map[string]string
	Algorithm   string // "enc/alg", a JWA signature name, or one of alg's own
	KeySize     int    // bits of an RSA modulus, otherwise 0
	Curve       string // NIST name of an elliptic curve, otherwise empty
	Use         alg.Use
	Status      ElasticStatus
	// Origin is where versions come from: OriginGenerated, or OriginImported for a key whose every version is brought.
	Origin Origin
	// Exportable tells whether versions may leave, wrapped. It is settled when the key is made.
	Exportable bool
	// Published puts the public parts of enabled versions into the tenant's JWK Set, which anybody can read.
	Published bool
	// VersioningAllowed lets further versions be added, ImportAllowed lets them be brought.
	VersioningAllowed bool
	ImportAllowed     bool
	PrimaryVersion    int64 // 0 before the first import
	VersionCount      int64 // versions ever made; a number is never used twice
	// MinDecryptVersion and MinEncryptVersion are the lowest versions that may still read and make; 0: any.
	MinDecryptVersion int64
	MinEncryptVersion int64
	Policy            Policy
	Rotation          Rotation
	// NextRotationAt is when the key rotates by age; zero: it does not.
	NextRotationAt time.Time
	// DeleteAt is when the key ends, in state pending_delete; zero otherwise.
	DeleteAt time.Time
	// Refused are the uses that were refused while the key waited for its deletion. They are as old as the row that was read.
	Refused   Uses
	CreatedAt time.Time
	UpdatedAt time.Time
	// Revision counts changes of the key, not of its versions.
	Revision int64
}

// Spec is the key's entry in the algorithm table.
func (k ElasticKey) Spec() (alg.Spec, error) {
	return alg.ParseSpec(k.Algorithm, k.KeySize, k.Curve)
}

// MaterialKey is one version of an elastic key, without its private part.
type MaterialKey struct {
	Tenant       string
	ElasticKeyID string
	ID           string // UUIDv7
	Version      int64  // from 1
	Status       VersionStatus
	Origin       Origin
	Exportable   bool
	// WrappedKey is the JWE of the private JWK, made by the barrier; empty when there is none (any more).
	WrappedKey string
	// Commitment tells, to whoever has the barrier, whether material that is brought again is the same; empty for material of our own.
	Commitment string
	// WasCompromised remembers the mark while the version is scheduled for destruction.
	WasCompromised bool
	// DestroyAt is when the version ends, in state destroy_scheduled. ExpiresAt is when imported material is forgotten. Zero: not.
	DestroyAt time.Time
	ExpiresAt time.Time
	// Uses is what the version has done. It is as old as the row that was read.
	Uses      Uses
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Uses is what a version has done. It may be over after a crash for keys that are used directly, and lack the last seconds for others.
type Uses struct {
	Count      int64
	Bytes      int64
	LastUsedAt time.Time
}

// KeyID is the version's `kid`: "{elastic key id}.{version}".
func (m MaterialKey) KeyID() string {
	return m.ElasticKeyID + "." + strconv.FormatInt(m.Version, 10)
}

// expired tells whether the time of imported material is over.
func (m MaterialKey) expired(now time.Time) bool {
	return !m.ExpiresAt.IsZero() && !now.Before(m.ExpiresAt)
}

// at is the version as it is to be used at a time: without material that has expired, whether the row says so yet or not.
func (m MaterialKey) at(now time.Time) MaterialKey {
	if m.expired(now) && versionExpire().Allows(m.Status) {
		m.Status, m.WrappedKey = VersionPendingImport, ""
	}
	return m
}

// title is how errors call the version.
func (m MaterialKey) title() string { return fmt.Sprintf("version %d", m.Version) }

// parseKeyID splits a `kid` made by KeyID.
func parseKeyID(kid string) (elasticID string, version int64, ok bool) {
	elasticID, number, found := strings.Cut(kid, ".")
	if !found {
		return "", 0, false
	}
	version, err := strconv.ParseInt(number, 10, 64)
	if err != nil || version < 1 || strconv.FormatInt(version, 10) != number {
		return "", 0, false
	}
	return elasticID, version, true
}
