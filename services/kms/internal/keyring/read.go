package keyring

import (
	"context"
	"fmt"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Get reads an elastic key.
func (k *Keyring) Get(ctx context.Context, caller Caller, ref Ref) (ElasticKey, error) {
	return k.permitKey(ctx, caller, OpRead, ref)
}

// List reads part of the list of elastic keys. A filter that nothing can match matches nothing.
func (k *Keyring) List(ctx context.Context, caller Caller, list KeyList) ([]ElasticKey, error) {
	if err := decideScope(caller, OpRead); err != nil {
		return nil, err
	}
	if list.Name != "" && !validName(list.Name) || list.ID != "" && !isUUID(list.ID) || !storable(list.TagName) || list.TagValue != nil && !storable(*list.TagValue) {
		return nil, nil
	}
	list.ID = strings.ToLower(list.ID)
	if list.Algorithm != "" {
		spec, err := alg.ParseSpec(list.Algorithm, 0, "")
		if err != nil {
			return nil, nil //nolint:nilerr // no key has the algorithm
		}
		list.Algorithm = spec.Algorithm
	}
	keys, err := k.store.ElasticKeys(ctx, caller.Tenant, list)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	return keys, nil
}

// AllVersions reads up to limit versions of all keys in order of creation, from after the id given.
func (k *Keyring) AllVersions(ctx context.Context, caller Caller, filter VersionFilter, afterID string, limit int) ([]ListedVersion, error) {
	if err := decideScope(caller, OpRead); err != nil {
		return nil, err
	}
	if filter.Algorithm != "" {
		spec, err := alg.ParseSpec(filter.Algorithm, 0, "")
		if err != nil {
			return nil, nil //nolint:nilerr // no key has the algorithm
		}
		filter.Algorithm = spec.Algorithm
	}
	versions, err := k.store.AllMaterialKeys(ctx, caller.Tenant, filter, afterID, limit)
	if err != nil {
		return nil, fmt.Errorf("list versions: %w", err)
	}
	return versions, nil
}

// Versions reads up to limit versions of a key, newest first, below the version given (0: from the newest), with the key they belong to.
func (k *Keyring) Versions(ctx context.Context, caller Caller, ref Ref, below int64, limit int) (ElasticKey, []MaterialKey, error) {
	key, err := k.permitKey(ctx, caller, OpRead, ref)
	if err != nil {
		return ElasticKey{}, nil, err
	}
	versions, err := k.store.MaterialKeys(ctx, key.Tenant, key.ID, below, limit)
	if err != nil {
		return ElasticKey{}, nil, fmt.Errorf("list versions: %w", err)
	}
	return key, versions, nil
}

// Version reads one version by number or UUID, with the key it belongs to.
func (k *Keyring) Version(ctx context.Context, caller Caller, ref Ref, version string) (ElasticKey, MaterialKey, error) {
	return k.version(ctx, caller, OpRead, ref, version)
}

// PublicKey is the public part of a version.
type PublicKey struct {
	KeyID   string
	Version int64
	JWK     []byte // RFC 7517
	PEM     string // SubjectPublicKeyInfo (RFC 5280 section 4.1, for ML-KEM RFC 9935 section 4)
}

// Public reads the public part of a version (0: the primary one). It is derived from the sealed private key, so that nobody who can only
// write to the database can put another in its place.
func (k *Keyring) Public(ctx context.Context, caller Caller, ref Ref, version int64) (PublicKey, error) {
	p, err := k.permit(ctx, caller, OpRead, ref, version)
	if err != nil {
		return PublicKey{}, err
	}
	if p.spec.KeyType == alg.KeyTypeOctet {
		return PublicKey{}, problem.New("no_public_key", "the key is symmetric; it has no public part")
	}
	held, err := k.material(ctx, p)
	if err != nil {
		return PublicKey{}, err
	}
	defer held.release()
	return publicKey(held.key, p)
}

func publicKey(private *jwk.Key, p permit) (PublicKey, error) {
	encoded, err := publicJWK(private, p.version)
	if err != nil {
		return PublicKey{}, err
	}
	text, err := private.MarshalPEM()
	if err != nil {
		return PublicKey{}, fmt.Errorf("encode SubjectPublicKeyInfo: %w", err)
	}
	return PublicKey{KeyID: p.version.KeyID(), Version: p.version.Version, JWK: encoded, PEM: string(text)}, nil
}

// publicJWK is the public part of a version as a JWK that names it.
func publicJWK(private *jwk.Key, version MaterialKey) ([]byte, error) {
	public, err := private.Public()
	if err != nil {
		return nil, fmt.Errorf("public part: %w", err)
	}
	public.ID = version.KeyID()
	encoded, err := public.MarshalPublic()
	if err != nil {
		return nil, fmt.Errorf("encode JWK: %w", err)
	}
	return encoded, nil
}
