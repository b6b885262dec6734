package keyring

import (
	"context"
	"fmt"
	"time"
)

// ReportStore reads across keys.
type ReportStore interface {
	// PublishedVersions reads up to limit enabled versions, the newest first, of active keys that are published.
	PublishedVersions(ctx context.Context, tenant string, limit int) ([]KeyVersion, error)
	// AlgorithmUses sums up, in order of their names, up to limit algorithms of keys that are not deleted.
	AlgorithmUses(ctx context.Context, tenant string, limit int) ([]AlgorithmUse, error)
}

// KeyVersion is a version with its key.
type KeyVersion struct {
	Key     ElasticKey
	Version MaterialKey
}

// AlgorithmUse is how much an algorithm, with one size or curve of key, is in use.
type AlgorithmUse struct {
	Algorithm string
	KeySize   int    // bits of an RSA modulus, otherwise 0
	Curve     string // NIST name of an elliptic curve, otherwise empty
	Keys      int64
	Versions  map[VersionStatus]int64
	// StillReading are the versions that are not primary any more and still read what they once made.
	StillReading int64
	// Uses are those of all versions, the destroyed ones included.
	Uses Uses
}

// maxAlgorithms is more than there are algorithms with every size and curve.
const maxAlgorithms = 1000

// Algorithms is the crypto-agility report: which algorithms and sizes the tenant's keys have, and how much they are still used. Uses
// are stored every few seconds; the last ones may be missing.
func (k *Keyring) Algorithms(ctx context.Context, caller Caller) (uses []AlgorithmUse, at time.Time, err error) {
	if err := decideScope(caller, OpRead); err != nil {
		return nil, time.Time{}, err
	}
	at = k.instant()
	if uses, err = k.store.AlgorithmUses(ctx, caller.Tenant, maxAlgorithms); err != nil {
		return nil, time.Time{}, fmt.Errorf("report on algorithms: %w", err)
	}
	return uses, at, nil
}
