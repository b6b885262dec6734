// Package secretshare divides a secret among people so that any threshold of them
// can restore it and fewer learn nothing: Shamir, "How to share a secret" (1979),
// byte by byte over GF(2^8). Its main type is [Share].
//
// Plain Shamir shares do not show when one of them is wrong; the restored secret
// is then silently another one. Two things prevent that here. Every share is
// signed with an Ed25519 key that exists only while the set is made and whose
// public half names the set, so a share that was damaged, altered or belongs
// elsewhere is recognised alone, before any other is seen. And the divided value
// carries a digest of the secret under the same threshold, which is checked after
// restoring. Neither tells anything about the secret to the holder of a share.
package secretshare

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
)

const (
	// MinThreshold is 2: with a threshold of 1 every share would be a copy of the secret.
	MinThreshold = 2
	// MaxShares is the number of points of GF(2^8) other than zero, where the secret is.
	MaxShares = 255
	// MaxSecret is the length in bytes of the longest secret that can be divided.
	MaxSecret = 1024

	// digestSize is the length in bytes of the digest that is divided with the
	// secret: an accidental match has probability 2^-128.
	digestSize = 16
)

var (
	// ErrInvalid is a share text that is none: wrong prefix, encoding, format or numbers.
	ErrInvalid = errors.New("not a share")
	// ErrDamaged is a share text with a wrong checksum: mistyped, cut or reordered.
	ErrDamaged = errors.New("damaged: its checksum does not match; copy it again")
	// ErrAltered is a share whose checksum matches and whose signature does not.
	ErrAltered = errors.New("altered: its signature does not verify; it was not issued like this")
	// ErrForeign is a share of another set.
	ErrForeign = errors.New("belongs to another set")
	// ErrDuplicate is a share that is present already.
	ErrDuplicate = errors.New("is given twice")
	// ErrTooFew means that more shares are needed.
	ErrTooFew = errors.New("not enough shares")
	// ErrMismatch means that well-formed shares restored something else than what was divided.
	ErrMismatch = errors.New("the restored secret does not match its digest")
)

// ShareError says which share a problem is about. Unwrap gives one of ErrInvalid,
// ErrDamaged, ErrAltered, ErrForeign and ErrDuplicate.
type ShareError struct {
	// Index is the number of the share as far as it can be read; 0 if it cannot.
	Index int
	// SetID is the set the share says it belongs to; empty if it cannot be read.
	SetID string
	// Err is the problem.
	Err error
}

func (e *ShareError) Error() string {
	switch {
	case e.Index == 0:
		return "share: " + e.Err.Error()
	case e.SetID == "":
		return fmt.Sprintf("share %d: %v", e.Index, e.Err)
	default:
		return fmt.Sprintf("share %d of set %s: %v", e.Index, e.SetID, e.Err)
	}
}

func (e *ShareError) Unwrap() error { return e.Err }

// Split divides a secret of 1 to [MaxSecret] bytes into shares of which any
// threshold restore it; [MinThreshold] <= threshold <= shares <= [MaxShares].
func Split(secret []byte, shares, threshold int) ([]Share, error) {
	switch {
	case len(secret) == 0 || len(secret) > MaxSecret:
		return nil, fmt.Errorf("split secret: it has %d bytes, must have 1 to %d", len(secret), MaxSecret)
	case shares > MaxShares:
		return nil, fmt.Errorf("split secret: %d shares, at most %d are possible", shares, MaxShares)
	case threshold < MinThreshold || threshold > shares:
		return nil, fmt.Errorf("split secret: threshold %d of %d shares, must be %d to the number of shares", threshold, shares, MinThreshold)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("split secret: make set key: %w", err)
	}
	defer clear(private)

	divided := append(slices.Clone(secret), digest(public, secret)...)
	defer clear(divided)
	set := make([]Share, shares)
	for i := range set {
		set[i] = Share{set: [ed25519.PublicKeySize]byte(public), threshold: byte(threshold), count: byte(shares), index: byte(i + 1), value: make([]byte, len(divided))} //nolint:gosec // 2 to 255, checked above
	}
	// Perfect secrecy needs coefficients that are uniform over the whole field,
	// the highest one included: it may be zero.
	coefficients := make([]byte, threshold)
	defer clear(coefficients)
	for position, b := range divided {
		coefficients[0] = b
		if _, err := rand.Read(coefficients[1:]); err != nil {
			return nil, fmt.Errorf("split secret: %w", err)
		}
		for i := range set {
			set[i].value[position] = evaluate(coefficients, set[i].index)
		}
	}
	for i := range set {
		set[i].signature = [ed25519.SignatureSize]byte(ed25519.Sign(private, set[i].signed()))
	}
	return set, nil
}

// Combine restores the secret from at least threshold different shares of one
// set. A share that does not fit is named by a [ShareError]; where several sets
// are mixed, the shares of the less frequent ones are foreign.
func Combine(shares []Share) ([]byte, error) {
	if len(shares) == 0 {
		return nil, fmt.Errorf("combine shares: %w", ErrTooFew)
	}
	reference := majority(shares)
	seen := make(map[byte]bool, len(shares))
	for _, share := range shares {
		if err := share.fits(reference, seen[share.index]); err != nil {
			return nil, fmt.Errorf("combine shares: %w", err)
		}
		seen[share.index] = true
	}
	threshold := int(reference.threshold)
	if len(shares) < threshold {
		return nil, fmt.Errorf("combine shares: %w: have %d of %d", ErrTooFew, len(shares), threshold)
	}
	shares = shares[:threshold]
	xs := make([]byte, threshold)
	for i, share := range shares {
		xs[i] = share.index
	}
	weights := weightsAtZero(xs)
	divided := make([]byte, len(reference.value))
	defer clear(divided)
	for i, share := range shares {
		for position, y := range share.value {
			divided[position] ^= mul(y, weights[i])
		}
	}
	secret, check := divided[:len(divided)-digestSize], divided[len(divided)-digestSize:]
	if subtle.ConstantTimeCompare(check, digest(reference.set[:], secret)) != 1 {
		return nil, fmt.Errorf("combine shares: %w", ErrMismatch)
	}
	return slices.Clone(secret), nil
}

// digest binds the secret to its set.
func digest(set ed25519.PublicKey, secret []byte) []byte {
	h := sha256.New()
	h.Write([]byte("cryptoutil secretshare digest v1\x00"))
	h.Write(set)
	h.Write(secret)
	return h.Sum(nil)[:digestSize]
}

// majority returns a share of the set that most shares belong to, of the first
// such set in order.
func majority(shares []Share) Share {
	votes := make(map[[ed25519.PublicKeySize]byte]int)
	for _, share := range shares {
		votes[share.set]++
	}
	best := shares[0]
	for _, share := range shares[1:] {
		if votes[share.set] > votes[best.set] {
			best = share
		}
	}
	return best
}
