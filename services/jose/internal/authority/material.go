package authority

import (
	"context"
	"fmt"
	"strconv"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keycache"
)

// purposeKey is the barrier's label for keys. It is part of what is authenticated: it never changes.
const purposeKey = "jose/key"

// pin is the place and the attributes that a wrapped key is bound to, and the wrapped key itself: all that decides whether it opens. Moving
// the row to another tenant, key, id or version, or flipping one of the attributes, makes it unreadable.
type pin struct {
	tenant, id string
	version    int64
	keyID      string
	algorithm  string
	keySize    int
	curve      string
	use        alg.Use
	origin     Origin
	exportable bool
	kmsKey     string
	kmsVersion int64
	wrapped    string

	// certificate is the chain, which is not sealed: it must certify the key.
	certificate string
}

func pinned(key Key, version Version) pin {
	return pin{
		tenant: version.Tenant, id: version.ID, version: version.Number, keyID: version.KeyID,
		algorithm: key.Algorithm, keySize: key.KeySize, curve: key.Curve, use: key.Use, origin: version.Origin, exportable: key.Exportable,
		kmsKey: key.KMSKey, kmsVersion: version.KMSVersion, wrapped: version.WrappedKey, certificate: version.chain(),
	}
}

func (p pin) slot() keycache.Slot { return keycache.Slot{Tenant: p.tenant, ID: p.id} }

// binding is the pin as the barrier authenticates it.
func (p pin) binding() barrier.Binding {
	attributes := []barrier.Attribute{
		{Name: "key_id", Value: p.keyID},
		{Name: "algorithm", Value: p.algorithm},
		{Name: "key_size", Value: strconv.Itoa(p.keySize)},
		{Name: "curve", Value: p.curve},
		{Name: "use", Value: string(p.use)},
		{Name: "origin", Value: string(p.origin)},
		{Name: "exportable", Value: strconv.FormatBool(p.exportable)},
	}
	// Keys of our own are bound as they were before there were others.
	if p.kmsKey != "" || p.kmsVersion != 0 {
		attributes = append(attributes,
			barrier.Attribute{Name: "kms_key", Value: p.kmsKey},
			barrier.Attribute{Name: "kms_version", Value: strconv.FormatInt(p.kmsVersion, 10)},
		)
	}
	return barrier.Binding{Tenant: p.tenant, Purpose: purposeKey, ID: p.id, Version: p.version, Attributes: attributes}
}

// Binding is what the wrapped key of a version is bound to.
func Binding(key Key, version Version) barrier.Binding { return pinned(key, version).binding() }

// wrap seals a key's JWK for its row.
func wrap(wrapper *barrier.Wrapper, key Key, version Version, material *jwk.Key) (string, error) {
	encode := material.MarshalPrivate
	if version.Origin == OriginPublic || version.Origin == OriginKMS {
		encode = material.MarshalPublic
	}
	text, err := encode()
	if err != nil {
		return "", fmt.Errorf("encode key: %w", err)
	}
	defer clear(text)
	wrapped, err := wrapper.Wrap(pinned(key, version).binding(), text)
	if err != nil {
		return "", fmt.Errorf("wrap key: %w", err)
	}
	return wrapped, nil
}

// lease is a key that somebody may be using.
type lease = keycache.Lease[pin]

// open opens the material of a version. The caller must release the lease when it is done with the key.
func (a *Authority) open(ctx context.Context, key Key, version Version) (*lease, error) {
	if a.barrier.Sealed() {
		return nil, barrier.ErrSealed
	}
	at := pinned(key, version)
	if held := a.cache.Get(at.slot(), at); held != nil {
		return held, nil
	}
	since := a.cache.Generation()
	text, err := a.barrier.Unwrap(ctx, at.binding(), at.wrapped)
	if err != nil {
		return nil, fmt.Errorf("open version %d of key %s: %w", at.version, at.keyID, err)
	}
	defer clear(text)
	material, err := jwk.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("decode version %d of key %s: %w", at.version, at.keyID, err)
	}
	if err := certify(material, at.certificate); err != nil {
		material.Zero()
		return nil, fmt.Errorf("open version %d of key %s: %w", at.version, at.keyID, err)
	}
	return a.cache.Put(at.slot(), at, material, since), nil
}
