package revocation

import (
	"time"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/reason"
)

// State is that of a certificate.
type State string

// States of a certificate. One that is intended may have been signed: it counts as issued.
const (
	Intended State = "intended"
	Issued   State = "issued"
	Revoked  State = "revoked"
)

// Certificate is what revocation knows of one.
type Certificate struct {
	Tenant string
	Serial string // lower-case hexadecimal of even length
	CAID   string
	State  State
	// Authority marks the certificate of a CA.
	Authority  bool
	Shard      int
	SPKISHA256 []byte
	NotAfter   time.Time
	// RevokedAt is zero for one that is not revoked. InvalidAt is since when its key is suspected to be compromised; zero for not known.
	RevokedAt, InvalidAt time.Time
	Reason               reason.Reason
}

// Order is a revocation that somebody asks for.
type Order struct {
	Serial string
	Reason reason.Reason
	// InvalidAt is the invalidityDate (RFC 5280 section 5.3.2); zero for none.
	InvalidAt time.Time
}

// Selection is several certificates: of one lineage, or with one public key.
type Selection struct {
	// Lineage is the serial number of the first of those that replaced each other.
	Lineage string
	// SPKISHA256 is the SHA-256 of a SubjectPublicKeyInfo.
	SPKISHA256 []byte
}
