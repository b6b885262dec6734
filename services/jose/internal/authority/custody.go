package authority

import (
	"context"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Custodian keeps private parts that never come here, and signs with them. Its owner says by himself which tenant of ours a key is for. When it cannot be
// had, errors have the code dependency_unavailable; when it does not want to, kms_refused.
type Custodian interface {
	// Key finds a key by UUID or name, with the version that is newest in use. A key that is not there and one that is not for the tenant are
	// ErrNotFound alike.
	Key(ctx context.Context, tenant, ref string) (CustodyKey, error)
	// Rotate makes a version of the key, and says which.
	Rotate(ctx context.Context, id string) (version int64, err error)
	// Public reads the public part of a version of the key, as a JWK.
	Public(ctx context.Context, id string, version int64) ([]byte, error)
	// Sign signs a message with a version of the key, as in a JWS (RFC 7518 section 3).
	Sign(ctx context.Context, id string, version int64, algorithm string, message []byte) ([]byte, error)
}

// CustodyKey is a key that a custodian keeps.
type CustodyKey struct {
	ID        string // UUID
	Algorithm string
	Version   int64 // the newest one in use
}

// CodeKMSRefused is the code of the error about a KMS that refuses to use a key.
const CodeKMSRefused = "kms_refused"

// errNoCustodian: the configuration names no KMS any more.
func errNoCustodian() error {
	return problem.New(problem.DependencyUnavailable, "no KMS is configured; the key is kept by one")
}

// NewCustodyKey asks for a key whose private parts a KMS keeps.
type NewCustodyKey struct {
	NewKey // without Algorithm, KeySize, Curve and Exportable: what there is, is elsewhere

	// Elastic is the UUID or the name of the key in the KMS.
	Elastic string
}

// CreateElsewhere makes a key of the public part of one that a KMS keeps. Its first version is the one that the KMS has in use.
func (a *Authority) CreateElsewhere(ctx context.Context, caller Caller, ask NewCustodyKey) (Key, Version, error) {
	if err := decideScope(caller, OpImport); err != nil {
		return Key{}, Version{}, err
	}
	if a.custodian == nil {
		return Key{}, Version{}, errNoCustodian()
	}
	kept, err := a.custodian.Key(ctx, caller.Tenant, ask.Elastic)
	if errors.Is(err, ErrNotFound) {
		return Key{}, Version{}, invalid("/kms_key", "the KMS has no such key for this tenant")
	}
	if err != nil {
		return Key{}, Version{}, err
	}
	spec, material, err := a.fetch(ctx, kept)
	if err != nil {
		return Key{}, Version{}, err
	}
	ask.Exportable = false
	key, err := a.newKey(ctx, caller, ask.NewKey, spec)
	if err != nil {
		return Key{}, Version{}, err
	}
	key.KMSKey = kept.ID
	version, err := a.insert(ctx, key, fresh{material: material, origin: OriginKMS, kmsVersion: kept.Version}, ActionImport)
	return key, version, err
}

// fetch reads the public part of a key's version, and checks that it is one for what the KMS says.
func (a *Authority) fetch(ctx context.Context, kept CustodyKey) (alg.Spec, *jwk.Key, error) {
	algorithm, err := alg.LookupSignature(kept.Algorithm)
	if err != nil || algorithm.Family == alg.HMAC {
		return alg.Spec{}, nil, problem.New("wrong_key_use", "the key in the KMS makes no signatures that a public key verifies")
	}
	text, err := a.custodian.Public(ctx, kept.ID, kept.Version)
	if err != nil {
		return alg.Spec{}, nil, err
	}
	public, err := jwk.Parse(text)
	if err != nil {
		return alg.Spec{}, nil, fmt.Errorf("read public key from the KMS: %w", err)
	}
	if public.IsPrivate() || public.IsSymmetric() {
		public.Zero()
		return alg.Spec{}, nil, errors.New("read public key from the KMS: it is not a public key")
	}
	spec, err := specOf(public, kept.Algorithm)
	if err != nil {
		return alg.Spec{}, nil, err
	}
	material, err := adopt(public, spec)
	return spec, material, err
}

// signer is the key of a version as libraries sign with it: the private part that the barrier opened, or the public one that the custodian signs
// for. What the custodian makes is verified before it is believed. It signs for this request alone, and has the certificates that are valid now.
func (a *Authority) signer(ctx context.Context, p permit, held *lease) (*jwk.Key, error) {
	key := dated(held.Key(), p.version, a.now())
	if p.version.Origin != OriginKMS {
		return key, nil
	}
	if a.custodian == nil {
		return nil, errNoCustodian()
	}
	return key.SignedBy(func(message []byte) ([]byte, error) {
		return a.custodian.Sign(ctx, p.key.KMSKey, p.version.KMSVersion, p.spec.Signature, message)
	})
}
