package keyring

import (
	"strconv"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
)

// ElasticStatus is the state of an elastic key.
type ElasticStatus string

// States of an elastic key. Only Active is reached by what this package does so far; every other one is refused by decide.
const (
	ElasticCreating        ElasticStatus = "creating"
	ElasticPendingGenerate ElasticStatus = "pending_generate"
	ElasticPendingImport   ElasticStatus = "pending_import"
	ElasticGenerateFailed  ElasticStatus = "generate_failed"
	ElasticImportFailed    ElasticStatus = "import_failed"
	ElasticActive          ElasticStatus = "active"
	ElasticDisabled        ElasticStatus = "disabled"
	ElasticPendingDelete   ElasticStatus = "pending_delete"
	ElasticDeleted         ElasticStatus = "deleted"
)

// VersionStatus is the state of a material key.
type VersionStatus string

// States of a material key.
const (
	VersionPendingImport    VersionStatus = "pending_import"
	VersionEnabled          VersionStatus = "enabled"
	VersionDisabled         VersionStatus = "disabled"
	VersionCompromised      VersionStatus = "compromised"
	VersionDestroyScheduled VersionStatus = "destroy_scheduled"
	VersionDestroyed        VersionStatus = "destroyed"
)

// Origin says where a material key came from.
type Origin string

// OriginGenerated is a key made by this service.
const OriginGenerated Origin = "generated"

// ElasticKey is a key ring: a name, a policy and its versions.
type ElasticKey struct {
	Tenant         string
	ID             string // UUIDv7
	Name           string // unique in the tenant
	Description    string
	Algorithm      string // "enc/alg" or a JWA signature name
	KeySize        int    // bits of an RSA modulus, otherwise 0
	Curve          string // NIST name of an elliptic curve, otherwise empty
	Use            alg.Use
	Status         ElasticStatus
	PrimaryVersion int64
	VersionCount   int64 // versions ever made; a number is never used twice
	CreatedAt      time.Time
	UpdatedAt      time.Time
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
	WrappedKey   string // JWE of the private JWK, made by the barrier
	CreatedAt    time.Time
}

// KeyID is the version's `kid`: "{elastic key id}.{version}".
func (m MaterialKey) KeyID() string {
	return m.ElasticKeyID + "." + strconv.FormatInt(m.Version, 10)
}

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
