package authority

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/server/naming"

	"github.com/cryptoutil/cryptoutil/services/jose/internal/certificate"
)

// Origin says where a version's material came from.
type Origin string

// Origins.
const (
	OriginGenerated Origin = "generated"
	OriginImported  Origin = "imported"
	// OriginPublic is the public part alone of a key that is elsewhere: it verifies or encrypts.
	OriginPublic Origin = "imported_public"
	// OriginKMS is the public part of a key whose private part a federated KMS keeps, and signs with.
	OriginKMS Origin = "kms"
)

// Key is a name, an algorithm and the versions that succeed each other.
type Key struct {
	Tenant      string
	ID          string // UUIDv7
	Name        string // unique in the tenant; the id once the key is destroyed
	Description string
	Algorithm   string // "enc/alg", or a JWA signature name
	KeySize     int    // bits of an RSA modulus, otherwise 0
	Curve       string // NIST name of an elliptic curve, otherwise empty
	Use         alg.Use
	Status      KeyStatus
	// Published puts the public part into the tenant's public key set.
	Published bool
	// Exportable lets the material leave the authority, encrypted. It is said when the key is made, and never changes.
	Exportable bool
	// TokenLifetime bounds how long tokens signed with the key may live, and so how long a retired version stays published.
	TokenLifetime time.Duration
	// KMSKey is the UUID of the elastic key that the private parts are in; empty for a key of our own.
	KMSKey       string
	VersionCount int64 // versions ever made; a number is never used twice
	CreatedAt    time.Time
	UpdatedAt    time.Time
	Revision     int64 // counts changes
}

// Spec is the key's entry in the algorithm table.
func (k Key) Spec() (alg.Spec, error) { return alg.ParseSpec(k.Algorithm, k.KeySize, k.Curve) }

// signs tells whether others verify what the key makes, so that a successor is published before it is used.
func (k Key) signs() bool { return k.Use == alg.UseSign }

// elsewhere tells whether a KMS keeps the private parts.
func (k Key) elsewhere() bool { return k.KMSKey != "" }

// Version is one version of a key, without its private part.
type Version struct {
	Tenant string
	KeyID  string
	ID     string // UUIDv7
	Number int64  // from 1
	Status VersionStatus
	Origin Origin
	// ActivateAt is when the version takes over, RetireAt when its successor does (zero: there is none).
	ActivateAt time.Time
	RetireAt   time.Time
	// PublishedUntil is when the last token that the version may have signed has expired; zero while it is not known.
	PublishedUntil time.Time
	// TokenLifetime is the longest that was allowed to tokens while the version was active.
	TokenLifetime time.Duration
	// KMSVersion is the elastic key's version that this one is; 0 for a version of our own.
	KMSVersion int64
	// Certificate is what a certification authority says of the key; nil for nothing. It may have expired.
	Certificate *certificate.Chain
	// WrappedKey is the JWE of the JWK, made by the barrier; empty when it is gone.
	WrappedKey string
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// KID is the version's `kid`: "{key id}.{version}".
func (v Version) KID() string { return v.KeyID + "." + strconv.FormatInt(v.Number, 10) }

// chain is the version's certificate chain as it is stored.
func (v Version) chain() string {
	if v.Certificate == nil {
		return ""
	}
	return v.Certificate.PEM()
}

// title is how errors call the version.
func (v Version) title() string { return fmt.Sprintf("version %d", v.Number) }

// At is the version's state at a time: what its row says, moved on by what has become due since a replica last settled it.
func (v Version) At(now time.Time) VersionStatus {
	status := v.Status
	if status == VersionPending && !now.Before(v.ActivateAt) {
		status = VersionActive
	}
	if status == VersionActive && !v.RetireAt.IsZero() && !now.Before(v.RetireAt) {
		status = VersionRetired
	}
	return status
}

// Ring is a key with its newest versions, newest first; those that are destroyed are left out.
type Ring struct {
	Key      Key
	Versions []Version
}

// MaxRing bounds the versions of a Ring. Older ones are read from the store one by one.
const MaxRing = 64

// active is the version that signs and encrypts.
func (r Ring) active(now time.Time) (Version, bool) {
	for _, v := range r.Versions {
		if v.At(now) == VersionActive {
			return v, true
		}
	}
	return Version{}, false
}

// numbered finds a version.
func (r Ring) numbered(number int64) (Version, bool) {
	for _, v := range r.Versions {
		if v.Number == number {
			return v, true
		}
	}
	return Version{}, false
}

// Ref names a key or a profile the way callers do: by UUID or by name.
type Ref = naming.Ref

// ParseKID splits a `kid` made by KID.
func ParseKID(kid string) (keyID string, number int64, ok bool) {
	keyID, text, found := strings.Cut(kid, ".")
	if !found || !naming.IsUUID(keyID) {
		return "", 0, false
	}
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil || number < 1 || strconv.FormatInt(number, 10) != text {
		return "", 0, false
	}
	return strings.ToLower(keyID), number, true
}

// RefOf is the reference to a key that a path or a member holds: a UUID, a name, or the `kid` of one of its versions.
func RefOf(text string) naming.Ref {
	if id, _, ok := ParseKID(text); ok {
		return naming.Ref(id)
	}
	return naming.Ref(text)
}

// checkName holds the name of a key to its form. One that looks like a `kid` would mean two things.
func checkName(name string) error {
	if _, _, ok := ParseKID(name); ok {
		return invalid("/name", "a name must not look like a kid")
	}
	return naming.Check(name)
}
