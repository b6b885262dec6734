package keyring

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
)

// maxPublished bounds a tenant's JWK Set: readers take no more keys (package jwk's own reader, for one). The newest versions are those in it.
const maxPublished = 1000

// Published is the tenant's JWK Set (RFC 7517 section 5): the public parts of all enabled versions of its active keys that are published. A
// version is in it from the moment that it exists until it is disabled, compromised, below its key's minimum or gone, so that what it
// has signed verifies across rotations. The set is nobody's secret: it takes no caller.
//
// The public parts are derived from what the barrier has sealed, so that nobody who can only write to the database can add a key.
func (k *Keyring) Published(ctx context.Context, tenant string) ([]byte, error) {
	if k.barrier.Sealed() {
		return nil, barrier.ErrSealed
	}
	versions, err := k.store.PublishedVersions(ctx, tenant, maxPublished)
	if err != nil {
		return nil, fmt.Errorf("list published keys: %w", err)
	}
	set := keySet{Keys: make([]json.RawMessage, 0, len(versions))}
	for _, of := range versions {
		public, err := k.publicOf(ctx, of)
		if err != nil {
			return nil, err
		}
		set.Keys = append(set.Keys, public)
	}
	return set.encode()
}

// PublishedFor is Published for a caller who reads the tenant's keys.
func (k *Keyring) PublishedFor(ctx context.Context, caller Caller) ([]byte, error) {
	if err := decideScope(caller, OpRead); err != nil {
		return nil, err
	}
	return k.Published(ctx, caller.Tenant)
}

// publicOf opens a version past the cache, which is for keys that are used.
func (k *Keyring) publicOf(ctx context.Context, of KeyVersion) ([]byte, error) {
	private, err := k.open(ctx, pinned(of.Key, of.Version))
	if err != nil {
		return nil, err
	}
	defer private.Zero()
	return publicJWK(private, of.Version)
}

// keySet is a JWK Set as it is written.
type keySet struct {
	Keys []json.RawMessage `json:"keys"`
}

func (s keySet) encode() ([]byte, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode JWK Set: %w", err)
	}
	return text, nil
}

// checkPublished refuses to publish what has no public part.
func (k ElasticKey) checkPublished() error {
	spec, err := k.Spec()
	if err != nil {
		return err
	}
	if k.Published && spec.KeyType == alg.KeyTypeOctet {
		return invalidMember("/published", "a symmetric key has no public part")
	}
	return nil
}
