package barrier

import (
	"sync"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// epoch holds the keys between one unsealing and the next sealing. Keys that
// stand in it are used only inside use and overwritten only by close, so that
// nothing is ever wrapped under a key that is being overwritten.
type epoch struct {
	mu sync.RWMutex
	// All below is guarded by mu.
	closed     bool
	root       *ring
	generation int64     // the store's when all keys here were compared with it last
	expiry     time.Time // when the next succession is to be removed; zero for none
	derivation []byte    // from the oldest root key
	tenants    map[string]*keyring
}

// keyring is what belongs to one tenant. Its rings only grow.
type keyring struct {
	intermediate, content *ring
}

// ring is the versions of a key.
type ring struct {
	keys    map[string]ringKey // by id
	current ringKey            // the highest version
}

type ringKey struct {
	version int64
	key     *jwk.Key // its ID is the key's id
}

func newEpoch() *epoch {
	return &epoch{root: newRing(), tenants: make(map[string]*keyring)}
}

func newRing() *ring { return &ring{keys: make(map[string]ringKey)} }

// use runs f while the keys are there; f may read all fields and must not wait for anything.
func (e *epoch) use(f func() error) error {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return ErrSealed
	}
	return f()
}

// close overwrites the keys when nobody uses them any more.
func (e *epoch) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	clear(e.derivation)
	e.root.zero()
	for _, k := range e.tenants {
		k.zero()
	}
	clear(e.tenants)
}

// adoptRoots takes over root keys of an epoch that ends with it.
func (e *epoch) adoptRoots(from *epoch) {
	from.mu.Lock()
	defer from.mu.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed {
		e.root.merge(from.root)
		from.root = newRing()
	}
}

// adopt merges freshly loaded keys of a tenant into the epoch, to which they
// belong from then on, and returns the tenant's keyring.
func (e *epoch) adopt(tenant string, loaded *keyring) (*keyring, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		loaded.zero()
		return nil, ErrSealed
	}
	present, ok := e.tenants[tenant]
	if !ok {
		e.tenants[tenant] = loaded
		return loaded, nil
	}
	present.intermediate.merge(loaded.intermediate)
	present.content.merge(loaded.content)
	return present, nil
}

// forget overwrites and drops a tenant's keys. A wrapper that was obtained before finds none.
func (e *epoch) forget(tenant string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	k, present := e.tenants[tenant]
	if !present {
		return
	}
	for _, r := range []*ring{k.intermediate, k.content} { // in place: whoever holds the ring must not find a key that was overwritten
		r.zero()
		clear(r.keys)
		r.current = ringKey{}
	}
	delete(e.tenants, tenant)
}

func (k *keyring) zero() {
	k.intermediate.zero()
	k.content.zero()
}

func (r *ring) add(k ringKey) {
	r.keys[k.key.ID] = k
	if k.version > r.current.version {
		r.current = k
	}
}

func (r *ring) merge(loaded *ring) {
	for id, k := range loaded.keys {
		if _, present := r.keys[id]; present {
			k.key.Zero()
			continue
		}
		r.add(k)
	}
}

func (r *ring) zero() {
	for _, k := range r.keys {
		k.key.Zero()
	}
}
