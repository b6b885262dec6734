package keyring

import (
	"context"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// purposeMaterial is the barrier's label for material keys. It is part of what is authenticated: it never changes.
const purposeMaterial = "kms/material-key"

// binding names the place and the attributes that a wrapped key is pinned to. Moving the row to another tenant, key, id or version, or
// flipping one of the attributes, makes it unreadable.
func binding(key ElasticKey, version MaterialKey) barrier.Binding {
	return barrier.Binding{
		Tenant:  version.Tenant,
		Purpose: purposeMaterial,
		ID:      version.ID,
		Version: version.Version,
		Attributes: []barrier.Attribute{
			{Name: "elastic_key_id", Value: version.ElasticKeyID},
			{Name: "algorithm", Value: key.Algorithm},
			{Name: "key_size", Value: fmt.Sprint(key.KeySize)},
			{Name: "curve", Value: key.Curve},
			{Name: "use", Value: string(key.Use)},
			{Name: "origin", Value: string(version.Origin)},
			{Name: "exportable", Value: fmt.Sprint(version.Exportable)},
		},
	}
}

// wrap seals a key's private JWK for its row.
func wrap(wrapper *barrier.Wrapper, key ElasticKey, version MaterialKey, material *jwk.Key) (string, error) {
	private, err := material.MarshalPrivate()
	if err != nil {
		return "", fmt.Errorf("encode key: %w", err)
	}
	defer clear(private)
	wrapped, err := wrapper.Wrap(binding(key, version), private)
	if err != nil {
		return "", fmt.Errorf("wrap key: %w", err)
	}
	return wrapped, nil
}

// material opens the private key behind a permit. The caller must release the lease when it is done with the key.
func (k *Keyring) material(ctx context.Context, p permit) (*lease, error) {
	if k.barrier.Sealed() {
		return nil, barrier.ErrSealed
	}
	slot := slotOf(p.version)
	if held := k.cache.get(slot, p.version.WrappedKey); held != nil {
		return held, nil
	}
	private, err := k.barrier.Unwrap(ctx, binding(p.key, p.version), p.version.WrappedKey)
	if err != nil {
		return nil, fmt.Errorf("open version %d of key %s: %w", p.version.Version, p.key.ID, err)
	}
	defer clear(private)
	key, err := jwk.Parse(private)
	if err != nil {
		return nil, fmt.Errorf("decode version %d of key %s: %w", p.version.Version, p.key.ID, err)
	}
	return k.cache.put(slot, p.version.WrappedKey, key), nil
}
