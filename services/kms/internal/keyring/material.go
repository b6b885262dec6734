package keyring

import (
	"context"
	"fmt"
	"strconv"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// purposeMaterial is the barrier's label for material keys. It is part of what is authenticated: it never changes.
const purposeMaterial = "kms/material-key"

// pin is the place and the attributes that a wrapped key is bound to, and the wrapped key itself: all that decides whether it opens. Moving
// the row to another tenant, key, id or version, or flipping one of the attributes, makes it unreadable.
type pin struct {
	tenant, id string
	version    int64
	elasticID  string
	algorithm  string
	keySize    int
	curve      string
	use        alg.Use
	origin     Origin
	exportable bool
	wrapped    string
}

func pinned(key ElasticKey, version MaterialKey) pin {
	return pin{
		tenant: version.Tenant, id: version.ID, version: version.Version, elasticID: version.ElasticKeyID,
		algorithm: key.Algorithm, keySize: key.KeySize, curve: key.Curve, use: key.Use,
		origin: version.Origin, exportable: version.Exportable, wrapped: version.WrappedKey,
	}
}

// binding is the pin as the barrier authenticates it.
func (p pin) binding() barrier.Binding {
	return barrier.Binding{
		Tenant:  p.tenant,
		Purpose: purposeMaterial,
		ID:      p.id,
		Version: p.version,
		Attributes: []barrier.Attribute{
			{Name: "elastic_key_id", Value: p.elasticID},
			{Name: "algorithm", Value: p.algorithm},
			{Name: "key_size", Value: strconv.Itoa(p.keySize)},
			{Name: "curve", Value: p.curve},
			{Name: "use", Value: string(p.use)},
			{Name: "origin", Value: string(p.origin)},
			{Name: "exportable", Value: strconv.FormatBool(p.exportable)},
		},
	}
}

// Binding is what the wrapped private key of a version is bound to.
func Binding(key ElasticKey, version MaterialKey) barrier.Binding {
	return pinned(key, version).binding()
}

// encode is the whole of a version's key as a JWK: the private one, unless there is none.
func (m MaterialKey) encode(material *jwk.Key) ([]byte, error) {
	if m.Origin == OriginPublic {
		return material.MarshalPublic()
	}
	return material.MarshalPrivate()
}

// wrap seals a key's JWK for its row.
func wrap(wrapper *barrier.Wrapper, key ElasticKey, version MaterialKey, material *jwk.Key) (string, error) {
	private, err := version.encode(material)
	if err != nil {
		return "", fmt.Errorf("encode key: %w", err)
	}
	defer clear(private)
	wrapped, err := wrapper.Wrap(pinned(key, version).binding(), private)
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
	if p.version.WrappedKey == "" {
		return nil, errState(p.version.title(), string(p.version.Status), string(p.op), string(VersionEnabled))
	}
	if k.measure != nil {
		k.measure(ctx, p.op, p.key.Algorithm)
	}
	at := pinned(p.key, p.version)
	if held := k.cache.get(at); held != nil {
		return held, nil
	}
	since := k.cache.generation()
	key, err := k.open(ctx, at)
	if err != nil {
		return nil, err
	}
	return k.cache.put(at, key, since), nil
}

// open unwraps a key, past the cache. Whoever gets it zeroes it.
func (k *Keyring) open(ctx context.Context, at pin) (*jwk.Key, error) {
	private, err := k.barrier.Unwrap(ctx, at.binding(), at.wrapped)
	if err != nil {
		return nil, fmt.Errorf("open version %d of key %s: %w", at.version, at.elasticID, err)
	}
	defer clear(private)
	key, err := jwk.Parse(private)
	if err != nil {
		return nil, fmt.Errorf("decode version %d of key %s: %w", at.version, at.elasticID, err)
	}
	return key, nil
}
