package accesstoken

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"
)

// Nonces are values that DPoP proofs must hold, so that none can be made long before it is used (RFC 9449 section 9).
type Nonces interface {
	// Current is the nonce to hand out now. Errors have a code.
	Current() (string, error)
	// Valid tells whether a nonce was handed out lately. Errors have a code.
	Valid(nonce string) (bool, error)
}

// Secrets derives keys. *barrier.Barrier is one.
type Secrets interface {
	// DeriveKey returns n bytes for a label; it fails while the barrier is sealed.
	DeriveKey(label string, n int) ([]byte, error)
}

const (
	nonceLabel = "auth/accesstoken/dpop-nonce"
	nonceStep  = time.Minute
	nonceMAC   = 16 // bytes
	nonceSize  = 8 + nonceMAC
)

// nonces derives them from a key and the time, so that every replica with the same key takes those of the others and none is stored.
type nonces struct {
	secrets Secrets
	now     func() time.Time
}

// NewNonces makes nonces by HMAC-SHA-256 over the minute. A nonce is taken in its minute and the one after, and in the one before, for replicas
// whose clock is behind.
func NewNonces(secrets Secrets, now func() time.Time) Nonces { return &nonces{secrets, now} }

// Current implements Nonces.
func (n *nonces) Current() (string, error) {
	nonce, err := n.at(n.minute())
	return base64.RawURLEncoding.EncodeToString(nonce), err
}

// Valid implements Nonces.
func (n *nonces) Valid(text string) (bool, error) {
	nonce, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(nonce) != nonceSize {
		return false, nil //nolint:nilerr // whatever else it is, it is not ours
	}
	minute := binary.BigEndian.Uint64(nonce)
	if now := n.minute(); minute < now-1 || minute > now+1 {
		return false, nil
	}
	want, err := n.at(minute)
	return err == nil && hmac.Equal(nonce, want), err
}

func (n *nonces) minute() uint64 { return uint64(n.now().Unix() / int64(nonceStep/time.Second)) } //nolint:gosec // it is after 1970

func (n *nonces) at(minute uint64) ([]byte, error) {
	key, err := n.secrets.DeriveKey(nonceLabel, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive key of DPoP nonces: %w", err)
	}
	defer clear(key)
	nonce := binary.BigEndian.AppendUint64(make([]byte, 0, nonceSize+sha256.Size), minute)
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write(nonce) // a hash does not fail
	return mac.Sum(nonce)[:nonceSize], nil
}
