package auditchain

import (
	"errors"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// CheckpointType is the "typ" of a signed checkpoint, which keeps it from passing for another token (RFC 8725 section 3.11).
const CheckpointType = "cu-audit-checkpoint+jws"

// Checkpoint states what a chain was at a moment.
type Checkpoint struct {
	// Service names the service that keeps the chain, Chain the tenant.
	Service, Chain string
	// Seq and Hash are those of the newest event.
	Seq  int64
	Hash Hash
	// First is the number of the oldest event that is kept: 1, or more once retention has cut the chain.
	First int64
	// Time is when it was signed.
	Time time.Time
}

// Sign signs the checkpoint with an Ed25519 key and returns the compact serialization. The "kid" is the key's thumbprint (RFC 7638).
func (c Checkpoint) Sign(key *jwk.Key) (string, error) {
	return "", errors.New("not yet")
}

// OpenCheckpoint verifies a signed checkpoint with the one of the keys that it names.
func OpenCheckpoint(compact string, keys []*jwk.Key) (Checkpoint, error) {
	return Checkpoint{}, errors.New("not yet")
}
