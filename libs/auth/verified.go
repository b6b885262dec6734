package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"hash"
	"sync"

	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
)

// verifiedKey is a credential as the cache knows it: an HMAC-SHA-256 under a key that lives as long as the process, so that neither the cache
// holds secrets nor anybody can aim at a place in it.
type verifiedKey [sha256.Size]byte

// verifiedCredential is a credential whose secret was right for the account as it was.
type verifiedCredential struct {
	credential credential.Credential
	rights     *rights
	secret     Secret // which it was
	proof      string // its name
}

// shards is how many parts of the cache are locked apart.
const shards = 16

// verified remembers credentials that were verified, so that a busy one costs a MAC and a look. It is only ever consulted together with the
// account as it is now.
type verified struct {
	macs   sync.Pool // of *macState
	shards [shards]verifiedShard
}

type verifiedShard struct {
	mu      sync.RWMutex
	most    int
	entries map[verifiedKey]*verifiedCredential // guarded by mu
}

// macState is room for one MAC.
type macState struct {
	mac  hash.Hash
	text []byte
	sum  []byte
}

func newVerified(most int) (*verified, error) {
	key := make([]byte, sha256.Size)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("make key of verified credentials: %w", err)
	}
	v := &verified{}
	v.macs.New = func() any { return &macState{mac: hmac.New(sha256.New, key), sum: make([]byte, 0, sha256.Size)} }
	for i := range v.shards {
		v.shards[i].most = max(1, most/shards)
		v.shards[i].entries = map[verifiedKey]*verifiedCredential{}
	}
	return v, nil
}

func (v *verified) key(header string) (key verifiedKey) {
	s := v.macs.Get().(*macState) //nolint:forcetypeassert // the pool has nothing else
	s.mac.Reset()
	s.text = append(s.text[:0], header...)
	_, _ = s.mac.Write(s.text) // a hash does not fail
	s.sum = s.mac.Sum(s.sum[:0])
	copy(key[:], s.sum)
	clear(s.text)
	v.macs.Put(s)
	return key
}

func (v *verified) shard(key verifiedKey) *verifiedShard { return &v.shards[key[0]%shards] }

// get returns nil for a credential that is not remembered.
func (v *verified) get(key verifiedKey) *verifiedCredential {
	s := v.shard(key)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.entries[key]
}

// put remembers a credential, in place of any other one where there is no room.
func (v *verified) put(key verifiedKey, known *verifiedCredential) {
	s := v.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.entries[key]; !there && len(s.entries) >= s.most {
		for other := range s.entries {
			delete(s.entries, other)
			break
		}
	}
	s.entries[key] = known
}

// drop forgets what is remembered, unless it is something newer by now.
func (v *verified) drop(key verifiedKey, known *verifiedCredential) {
	s := v.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries[key] == known {
		delete(s.entries, key)
	}
}
