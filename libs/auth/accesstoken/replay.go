package accesstoken

import (
	"context"
	"time"
)

// ProofID stands for one proof of one key.
type ProofID [16]byte

// Replays remembers DPoP proofs that were used (RFC 9449 section 11.1).
type Replays interface {
	// First remembers the proof of a key, which is named by its thumbprint, until a time, and tells whether it was new. Errors have a code.
	First(ctx context.Context, thumbprint string, id ProofID, until time.Time) (bool, error)
}
