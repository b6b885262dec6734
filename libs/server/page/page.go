// Package page reads lists page by page, by keyset pagination. Its main type is Cursors.
//
// A cursor is base64url of HMAC-SHA-256 (RFC 2104) and of the sort key that the page before ended with. The MAC covers the tenant, the list, its
// filter and its order as well, so that a cursor continues the very list it came from and nothing else, on every replica.
package page

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Bounds of the parameter `limit`.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// keyLabel derives the MAC's key from the barrier.
const (
	keyLabel = "page cursor v1"
	keySize  = 32
)

// Keys derives keys that are the same on every replica. [barrier.Barrier] is one.
type Keys interface {
	// DeriveKey returns n bytes for a label; it fails while the barrier is sealed.
	DeriveKey(label string, n int) ([]byte, error)
}

// List is what a cursor belongs to. Every field is authenticated.
type List struct {
	Tenant string
	Name   string   // the resource, and whatever it is a part of
	Sort   string   // the order
	Filter []string // the values of the filter, each at its place
}

// Cursors makes and checks cursors. It is safe for concurrent use.
type Cursors struct {
	keys Keys
}

// New returns Cursors.
func New(keys Keys) (*Cursors, error) {
	if keys == nil {
		return nil, errors.New("page: keys are required")
	}
	return &Cursors{keys: keys}, nil
}

// Limit is the number of items of a page: DefaultLimit where the caller asks for none, and never beyond 1 to MaxLimit.
func Limit(asked *int) int {
	if asked == nil {
		return DefaultLimit
	}
	return min(max(*asked, 1), MaxLimit)
}

// Encode returns the cursor that continues list after the item whose sort key is last.
func (c *Cursors) Encode(list List, last string) (string, error) {
	mac, err := c.mac(list, last)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(mac, last...)), nil
}

// Decode returns the sort key that the page before ended with, "" for an empty cursor, which begins the list. A cursor that was not made for
// this very list is an error with the code invalid_cursor.
func (c *Cursors) Decode(list List, cursor string) (string, error) {
	if cursor == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(raw) < sha256.Size || base64.RawURLEncoding.EncodeToString(raw) != cursor { // the decoder passes over line ends
		return "", invalid()
	}
	last := string(raw[sha256.Size:])
	mac, err := c.mac(list, last)
	if err != nil {
		return "", err
	}
	if !hmac.Equal(mac, raw[:sha256.Size]) {
		return "", invalid()
	}
	return last, nil
}

func (c *Cursors) mac(list List, last string) ([]byte, error) {
	key, err := c.keys.DeriveKey(keyLabel, keySize)
	if err != nil {
		return nil, fmt.Errorf("cursor key: %w", err)
	}
	defer clear(key)
	mac := hmac.New(sha256.New, key)
	for _, field := range append([]string{list.Tenant, list.Name, list.Sort, last}, list.Filter...) {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(field))))
		mac.Write([]byte(field))
	}
	return mac.Sum(nil), nil
}

func invalid() error {
	return problem.New(problem.InvalidCursor, "start again without a cursor, or repeat the filter of the page before")
}
