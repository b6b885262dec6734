// Package csrf makes the tokens of forms, the second line behind the refusal of cross-site requests: a form that this service has not
// given to this browser is not taken. Its main type is [Tokens].
//
// A token holds its end of life and a nonce, authenticated by HMAC-SHA-256 (RFC 2104) together with what it is bound to: the session, or
// before there is one a random value in a cookie. It needs no storage and is good on every replica.
package csrf

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Field is the name of the hidden field of a form.
const Field = "csrf_token"

const (
	keyLabel = "csrf token v1"
	keySize  = 32
	// nonceSize makes each token another one, so that compressed answers give nothing away (BREACH).
	nonceSize = 16
	headSize  = 8 + nonceSize
)

// Keys derives keys that are the same on every replica. [barrier.Barrier] is one.
type Keys interface {
	// DeriveKey returns n bytes for a label; it fails while the barrier is sealed.
	DeriveKey(label string, n int) ([]byte, error)
}

// Tokens makes and checks tokens. It is safe for concurrent use.
type Tokens struct {
	keys     Keys
	lifetime time.Duration
	now      func() time.Time
}

// New returns Tokens that are good for lifetime.
func New(keys Keys, lifetime time.Duration, now func() time.Time) (*Tokens, error) {
	if keys == nil || now == nil || lifetime <= 0 {
		return nil, errors.New("csrf: keys, a lifetime and a clock are required")
	}

	return &Tokens{keys: keys, lifetime: lifetime, now: now}, nil
}

// Issue returns a token for a form that is shown to the holder of binding, which must be secret or unknown to other sites, and not empty.
func (t *Tokens) Issue(binding string) (string, error) {
	if binding == "" {
		return "", errors.New("csrf: a token must be bound to something")
	}
	head := make([]byte, headSize, headSize+sha256.Size)
	binary.BigEndian.PutUint64(head, uint64(t.now().Add(t.lifetime).Unix())) //nolint:gosec // after 1970
	_, _ = rand.Read(head[8:])                                               // ends the process instead of failing
	mac, err := t.mac(binding, head)
	if err != nil {
		return "", err
	}

	return base64.RawURLEncoding.EncodeToString(append(head, mac...)), nil
}

// Check returns nil for a token that was issued for binding and is in force, and otherwise an error with the code csrf_failed.
func (t *Tokens) Check(binding, token string) error {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || binding == "" || len(raw) != headSize+sha256.Size {
		return refused()
	}
	mac, err := t.mac(binding, raw[:headSize])
	if err != nil {
		return err
	}
	if !hmac.Equal(mac, raw[headSize:]) || uint64(t.now().Unix()) >= binary.BigEndian.Uint64(raw) { //nolint:gosec // after 1970
		return refused()
	}

	return nil
}

func (t *Tokens) mac(binding string, head []byte) ([]byte, error) {
	key, err := t.keys.DeriveKey(keyLabel, keySize)
	if err != nil {
		return nil, fmt.Errorf("csrf key: %w", err)
	}
	defer clear(key)
	mac := hmac.New(sha256.New, key)
	mac.Write(head)
	mac.Write([]byte(binding))

	return mac.Sum(nil), nil
}

func refused() error {
	return problem.New(problem.CSRFFailed, "the form is too old or was not made for you; open the page again")
}
