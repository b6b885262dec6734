package acme

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Keys derives secrets that all replicas share; barrier.Barrier is one.
type Keys interface {
	DeriveKey(label string, n int) ([]byte, error)
}

const (
	// nonceLife is how long a nonce can be used.
	nonceLife = 10 * time.Minute
	// nonceEpoch is how long one key is used: 2^32 messages, as many as random 96-bit nonces of AES-GCM allow (SP 800-38D section 8.3), are
	// over a million in each of its seconds.
	nonceEpoch   = time.Hour
	nonceKeySize = 32
	// nonceSize is the epoch, the initialization vector, the time with a random number, and the tag.
	nonceSize   = 4 + 12 + noncePayload + 16
	nonceRandom = 8
	// noncePayload is the time in milliseconds and a random number, so that nonces of one moment differ in what they say as well.
	noncePayload = 8 + nonceRandom
)

// ErrNonce says that a nonce is none of this server, too old, or used.
var ErrNonce = errors.New("the nonce is not valid")

// Nonces makes and checks the nonces of one installation (RFC 8555 section 6.5). Nothing is stored when one is made: it is the encrypted time,
// which every replica can read. It may be used by many goroutines at once.
type Nonces struct {
	keys Keys
	now  func() time.Time

	mu      sync.Mutex
	ciphers map[uint32]cipher.AEAD // by epoch, the last two; guarded by mu
}

// NewNonces makes one on keys that all replicas share.
func NewNonces(keys Keys, now func() time.Time) (*Nonces, error) {
	if keys == nil || now == nil {
		return nil, errors.New("new nonces: keys and a clock are required")
	}
	return &Nonces{keys: keys, now: now, ciphers: map[uint32]cipher.AEAD{}}, nil
}

// Fresh makes a nonce for a scope, outside of which it is not valid.
func (n *Nonces) Fresh(scope string) (string, error) {
	now := n.now()
	epoch := epochOf(now)
	sealer, err := n.cipher(epoch)
	if err != nil {
		return "", fmt.Errorf("make nonce: %w", err)
	}
	var payload [noncePayload]byte
	binary.BigEndian.PutUint64(payload[:], uint64(now.UnixMilli()))
	if _, err := rand.Read(payload[8:]); err != nil {
		return "", fmt.Errorf("make nonce: %w", err)
	}
	out := binary.BigEndian.AppendUint32(make([]byte, 0, nonceSize), epoch)
	out = sealer.Seal(out, nil, payload[:], []byte(scope))
	return base64.RawURLEncoding.EncodeToString(out), nil
}

// Check says whether a nonce was made for the scope and can still be used. It returns what its use is recorded by, and when that can be forgotten.
func (n *Nonces) Check(scope, nonce string) (use []byte, until time.Time, err error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(nonce)
	if err != nil || len(raw) != nonceSize || len(nonce) != base64.RawURLEncoding.EncodedLen(nonceSize) {
		return nil, time.Time{}, ErrNonce
	}
	now := n.now()
	epoch := binary.BigEndian.Uint32(raw)
	if current := epochOf(now); epoch != current && epoch != epochOf(now.Add(-nonceLife)) && epoch != epochOf(now.Add(clockSkew)) {
		return nil, time.Time{}, ErrNonce
	}
	opener, err := n.cipher(epoch)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("check nonce: %w", err)
	}
	payload, err := opener.Open(nil, nil, raw[4:], []byte(scope))
	if err != nil || len(payload) != noncePayload {
		return nil, time.Time{}, ErrNonce
	}
	made := time.UnixMilli(int64(binary.BigEndian.Uint64(payload))) //nolint:gosec // G115: authentic, and made here
	if now.Sub(made) > nonceLife || made.Sub(now) > clockSkew {
		return nil, time.Time{}, ErrNonce
	}
	sum := sha256.Sum256(raw)
	return sum[:], made.Add(nonceLife + clockSkew), nil
}

// clockSkew is how far the clocks of replicas may lie apart.
const clockSkew = time.Minute

func epochOf(at time.Time) uint32 {
	return uint32(at.Unix() / int64(nonceEpoch/time.Second)) //nolint:gosec // G115: hours since 1970, for 490,000 years
}

// cipher is the one of an epoch.
func (n *Nonces) cipher(epoch uint32) (cipher.AEAD, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c, ok := n.ciphers[epoch]; ok {
		return c, nil
	}
	key, err := n.keys.DeriveKey(fmt.Sprintf("acme nonces v1 %d", epoch), nonceKeySize)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	c, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	for old := range n.ciphers {
		if old+1 < epoch || old > epoch+1 {
			delete(n.ciphers, old)
		}
	}
	n.ciphers[epoch] = c
	return c, nil
}
