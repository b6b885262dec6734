package accesstoken

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"hash"
	"sync"
)

// digest is a token as it stands in memory: an HMAC-SHA-256 under a key that lives as long as the process, so that no memory holds tokens and
// nobody can aim at a place in one.
type digest [sha256.Size]byte

// digester makes digests.
type digester struct{ rooms sync.Pool } // of *room

// room is for one digest.
type room struct {
	mac  hash.Hash
	text []byte
	sum  []byte
}

func newDigester() (*digester, error) {
	key := make([]byte, sha256.Size)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("make key of verified tokens: %w", err)
	}
	d := &digester{}
	d.rooms.New = func() any { return &room{mac: hmac.New(sha256.New, key), sum: make([]byte, 0, sha256.Size)} }
	return d, nil
}

func (d *digester) of(token string) (out digest) {
	r := d.rooms.Get().(*room) //nolint:forcetypeassert // the pool has nothing else
	r.mac.Reset()
	r.text = append(r.text[:0], token...)
	_, _ = r.mac.Write(r.text) // a hash does not fail
	r.sum = r.mac.Sum(r.sum[:0])
	copy(out[:], r.sum)
	clear(r.text)
	d.rooms.Put(r)
	return out
}
