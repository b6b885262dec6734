package keyring

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
)

// keyRecord is a key with everything that belongs to it, as a backup holds it. Members that are absent have their zero value.
type keyRecord struct {
	ID                string            `json:"id"`
	Name              string            `json:"name"`
	Description       string            `json:"description,omitempty"`
	Tags              map[string]string `json:"tags,omitempty"`
	Algorithm         string            `json:"algorithm"`
	KeySize           int               `json:"key_size,omitempty"`
	Curve             string            `json:"curve,omitempty"`
	Use               alg.Use           `json:"use"`
	Status            ElasticStatus     `json:"status"`
	Origin            Origin            `json:"origin"`
	Exportable        bool              `json:"exportable,omitempty"`
	Published         bool              `json:"published,omitempty"`
	VersioningAllowed bool              `json:"versioning_allowed,omitempty"`
	ImportAllowed     bool              `json:"import_allowed,omitempty"`
	PrimaryVersion    int64             `json:"primary_version"`
	VersionCount      int64             `json:"version_count"`
	MinDecryptVersion int64             `json:"min_decrypt_version,omitempty"`
	MinEncryptVersion int64             `json:"min_encrypt_version,omitempty"`
	Policy            Policy            `json:"policy"`
	Rotation          Rotation          `json:"rotation"`
	NextRotationAt    time.Time         `json:"next_rotation_at,omitzero"`
	DeleteAt          time.Time         `json:"delete_at,omitzero"`
	CreatedAt         time.Time         `json:"created_at"`
	UpdatedAt         time.Time         `json:"updated_at"`
	Aliases           []aliasRecord     `json:"aliases,omitempty"`
	Versions          []versionRecord   `json:"versions"` // in order
}

type aliasRecord struct {
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

type versionRecord struct {
	ID             string        `json:"id"`
	Version        int64         `json:"version"`
	Status         VersionStatus `json:"status"`
	Origin         Origin        `json:"origin"`
	Exportable     bool          `json:"exportable,omitempty"`
	WasCompromised bool          `json:"was_compromised,omitempty"`
	DestroyAt      time.Time     `json:"destroy_at,omitzero"`
	ExpiresAt      time.Time     `json:"expires_at,omitzero"`
	Uses           int64         `json:"uses,omitempty"`
	Bytes          int64         `json:"bytes,omitempty"`
	LastUsedAt     time.Time     `json:"last_used_at,omitzero"`
	CreatedAt      time.Time     `json:"created_at"`
	UpdatedAt      time.Time     `json:"updated_at"`
	// JWK is the private key (RFC 7517), or the public one where there is no other; absent where the material is gone.
	JWK json.RawMessage `json:"jwk,omitempty"`
}

func recordOf(key ElasticKey, aliases []Alias) keyRecord {
	r := keyRecord{
		ID: key.ID, Name: key.Name, Description: key.Description, Tags: key.Tags, Algorithm: key.Algorithm, KeySize: key.KeySize, Curve: key.Curve,
		Use: key.Use, Status: key.Status, Origin: key.Origin, Exportable: key.Exportable, Published: key.Published,
		VersioningAllowed: key.VersioningAllowed, ImportAllowed: key.ImportAllowed, PrimaryVersion: key.PrimaryVersion, VersionCount: key.VersionCount,
		MinDecryptVersion: key.MinDecryptVersion, MinEncryptVersion: key.MinEncryptVersion, Policy: key.Policy, Rotation: key.Rotation,
		NextRotationAt: key.NextRotationAt, DeleteAt: key.DeleteAt, CreatedAt: key.CreatedAt, UpdatedAt: key.UpdatedAt,
	}
	for _, alias := range aliases {
		r.Aliases = append(r.Aliases, aliasRecord{alias.Name, alias.CreatedAt, alias.UpdatedAt})
	}
	return r
}

// elastic is the key in a tenant.
func (r keyRecord) elastic(tenant string) ElasticKey {
	return ElasticKey{
		Tenant: tenant, ID: r.ID, Name: r.Name, Description: r.Description, Tags: r.Tags, Algorithm: r.Algorithm, KeySize: r.KeySize, Curve: r.Curve,
		Use: r.Use, Status: r.Status, Origin: r.Origin, Exportable: r.Exportable, Published: r.Published,
		VersioningAllowed: r.VersioningAllowed, ImportAllowed: r.ImportAllowed, PrimaryVersion: r.PrimaryVersion, VersionCount: r.VersionCount,
		MinDecryptVersion: r.MinDecryptVersion, MinEncryptVersion: r.MinEncryptVersion, Policy: r.Policy, Rotation: r.Rotation,
		NextRotationAt: r.NextRotationAt, DeleteAt: r.DeleteAt, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, Revision: 1,
	}
}

func versionOf(m MaterialKey) versionRecord {
	return versionRecord{
		ID: m.ID, Version: m.Version, Status: m.Status, Origin: m.Origin, Exportable: m.Exportable, WasCompromised: m.WasCompromised,
		DestroyAt: m.DestroyAt, ExpiresAt: m.ExpiresAt, Uses: m.Uses.Count, Bytes: m.Uses.Bytes, LastUsedAt: m.Uses.LastUsedAt,
		CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
	}
}

// material is the version in a tenant, without its private key.
func (v versionRecord) material(tenant, elasticID string) MaterialKey {
	return MaterialKey{
		Tenant: tenant, ElasticKeyID: elasticID, ID: v.ID, Version: v.Version, Status: v.Status, Origin: v.Origin, Exportable: v.Exportable,
		WasCompromised: v.WasCompromised, DestroyAt: v.DestroyAt, ExpiresAt: v.ExpiresAt,
		Uses: Uses{Count: v.Uses, Bytes: v.Bytes, LastUsedAt: v.LastUsedAt}, CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt,
	}
}

// digest tells one record from another. It is of everything but the private keys, which the ids of the versions stand for.
func (r keyRecord) digest() (string, error) {
	bare := r
	bare.Versions = append([]versionRecord(nil), r.Versions...)
	for i := range bare.Versions {
		bare.Versions[i].JWK = nil
	}
	text, err := json.Marshal(bare)
	if err != nil {
		return "", fmt.Errorf("encode record: %w", err)
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:]), nil
}

// zero forgets the private keys, as far as they are ours.
func (r keyRecord) zero() {
	for _, version := range r.Versions {
		clear(version.JWK)
	}
}
