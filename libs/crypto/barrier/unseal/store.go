package unseal

import (
	"context"
	"errors"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
)

// Recovery is the mode of a [SealedKey] that recovery shares open.
const Recovery Mode = "recovery"

// SealedKey is an unseal key as it is stored, encrypted by something that is not in the store.
type SealedKey struct {
	// ID is a UUIDv7, or the set of the shares in the mode Recovery.
	ID string
	// UnsealKeyID names the unseal key inside.
	UnsealKeyID string
	// Mode is JWK, KMS or Recovery.
	Mode Mode
	// Sealer names what opens it: a key's thumbprint, a key of another installation, or a set of shares.
	Sealer string
	// Sealed is a compact JWE, or what the other installation made.
	Sealed string
	// Threshold of so many Shares open it, in the mode Recovery.
	Threshold, Shares int
	CreatedAt         time.Time
	// VerifiedAt is when recovery shares proved that they open it; zero before.
	VerifiedAt time.Time
}

// Rekey is a change of the unseal key that is staged: the old one and the new one both open the barrier.
type Rekey struct {
	// ID is a UUIDv7.
	ID string
	// FromKeyID and ToKeyID name the unseal keys.
	FromKeyID, ToKeyID string
	// Mode is the new one.
	Mode Mode
	// Threshold of so many Shares are the new unseal material, in the mode Shamir.
	Threshold, Shares int
	StartedAt         time.Time
	// VerifiedAt is when the new unseal material proved that it opens the barrier; zero before.
	VerifiedAt time.Time
}

var (
	// ErrNoRekey means that no rekeying is under way.
	ErrNoRekey = errors.New("no rekeying is under way")
	// ErrRekeyExists means that one is under way already.
	ErrRekeyExists = errors.New("another rekeying is under way: commit or cancel it")
	// ErrNotVerified means that the new unseal material has not been proven yet.
	ErrNotVerified = errors.New("the new unseal material is not verified yet")
	// ErrCycle is an installation whose unsealing needs, perhaps through others, itself.
	ErrCycle = errors.New("its own unsealing needs it")
	// ErrRootsChanged means that root keys were added or wrapped anew since the rekeying began.
	ErrRootsChanged = errors.New("the root keys changed since the rekeying began: cancel it and begin again")
)

// Store keeps sealed unseal keys and the rekeying under way. Changes happen one after another, each in one
// transaction, and in the order of those of the barrier's store.
type Store interface {
	// SealedKeys returns all sealed unseal keys, oldest first.
	SealedKeys(ctx context.Context) ([]SealedKey, error)
	// AddSealedKey stores one.
	AddSealedKey(ctx context.Context, key SealedKey) error
	// ConfirmRecovery marks a recovery key as verified and removes the others of that mode.
	ConfirmRecovery(ctx context.Context, id string, at time.Time) error
	// Rekey returns the rekeying under way; ErrNoRekey if there is none.
	Rekey(ctx context.Context) (Rekey, error)
	// StageRekey stores a rekeying, the staged root keys, and, where it has one, the sealed new unseal key. Errors are ErrRekeyExists,
	// and ErrRootsChanged if staged is not every root key as FromKeyID wraps them.
	StageRekey(ctx context.Context, rekey Rekey, staged []barrier.WrappedKey, sealed *SealedKey) error
	// VerifyRekey marks the rekeying of that id as verified; ErrNoRekey if it is not there any more.
	VerifyRekey(ctx context.Context, id string, at time.Time) error
	// CommitRekey puts the staged root keys in force, and removes what belongs to the old unseal key. Errors are
	// ErrNoRekey, ErrNotVerified and ErrRootsChanged; nothing is changed then.
	CommitRekey(ctx context.Context, id string) error
	// CancelRekey removes the rekeying and what is staged; ErrNoRekey if it is not there any more.
	CancelRekey(ctx context.Context, id string) error
}
