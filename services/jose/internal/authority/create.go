package authority

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/server/naming"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Bounds of what callers say of a key.
const (
	maxDescription       = 4096
	DefaultTokenLifetime = 24 * time.Hour
	MinTokenLifetime     = time.Second
	MaxTokenLifetime     = 400 * 24 * time.Hour
	// MaxPublished is how many keys of a tenant can be published: clients read sets whole.
	MaxPublished = 200
)

// NewKey asks for a key.
type NewKey struct {
	Name          string
	Description   string
	Algorithm     string
	KeySize       int    // bits of an RSA modulus; 0: default
	Curve         string // of an EC key; empty: default
	Published     *bool  // nil: where there is a public part
	Exportable    bool
	TokenLifetime time.Duration // 0: DefaultTokenLifetime
}

// Create generates a key with version 1, which is active at once: nothing precedes it.
func (a *Authority) Create(ctx context.Context, caller Caller, ask NewKey) (Key, Version, error) {
	if err := decideScope(caller, OpCreate); err != nil {
		return Key{}, Version{}, err
	}
	spec, err := alg.ParseSpec(ask.Algorithm, ask.KeySize, ask.Curve)
	if err != nil {
		return Key{}, Version{}, err
	}
	key, err := a.newKey(ctx, caller, ask, spec)
	if err != nil {
		return Key{}, Version{}, err
	}
	material, err := a.generator.Take(ctx, spec)
	if err != nil {
		return Key{}, Version{}, fmt.Errorf("generate %s: %w", key.Algorithm, err)
	}
	defer material.Zero()
	version, err := a.insert(ctx, key, fresh{material: material, origin: OriginGenerated}, ActionCreate)
	return key, version, err
}

// Import stores a key that the caller brings as a JWK. What its `alg`, `use` and `key_ops` say must agree with what is asked for.
func (a *Authority) Import(ctx context.Context, caller Caller, ask NewKey, text []byte) (Key, Version, error) {
	if err := decideScope(caller, OpImport); err != nil {
		return Key{}, Version{}, err
	}
	brought, err := jwk.Parse(text)
	if err != nil {
		return Key{}, Version{}, err
	}
	defer brought.Zero()
	return a.adoptKey(ctx, caller, ask, brought)
}

// adoptKey stores a key that was brought.
func (a *Authority) adoptKey(ctx context.Context, caller Caller, ask NewKey, brought *jwk.Key) (Key, Version, error) {
	spec, err := specOf(brought, ask.Algorithm)
	if err != nil {
		return Key{}, Version{}, err
	}
	ask.KeySize, ask.Curve = 0, ""
	key, err := a.newKey(ctx, caller, ask, spec)
	if err != nil {
		return Key{}, Version{}, err
	}
	material, err := adopt(brought, spec)
	if err != nil {
		return Key{}, Version{}, err
	}
	origin := OriginImported
	if !brought.IsPrivate() {
		origin = OriginPublic
	}
	version, err := a.insert(ctx, key, fresh{material: material, origin: origin}, ActionImport)
	return key, version, err
}

// specOf is the entry in the algorithm table for a key that was brought. The algorithm may be left out where the key names a signature.
func specOf(brought *jwk.Key, algorithm string) (alg.Spec, error) {
	if algorithm == "" {
		algorithm = brought.Algorithm
	}
	spec, err := alg.ParseSpec(algorithm, 0, "")
	if err != nil {
		return alg.Spec{}, err
	}
	// The default has another size or curve, perhaps.
	switch {
	case spec.KeyType != brought.Type():
	case spec.KeyType == alg.KeyTypeRSA:
		spec, err = alg.ParseSpec(algorithm, brought.Size(), "")
	case spec.KeyType == alg.KeyTypeEC && spec.Use == alg.UseEncrypt:
		spec, err = alg.ParseSpec(algorithm, 0, brought.Curve())
	}
	if err != nil {
		return alg.Spec{}, err
	}
	if spec.KeyType != brought.Type() || brought.Algorithm != "" && brought.Algorithm != spec.KeyAlgorithm() {
		return alg.Spec{}, problem.New("key_mismatch", "the JWK is not a key for %s", spec.Algorithm)
	}
	return spec, nil
}

// adopt makes a key of ours of one that was brought, and checks that it may be used as the spec says.
func adopt(brought *jwk.Key, spec alg.Spec) (*jwk.Key, error) {
	use, operations := jwk.UseSignature, []string{jwk.OpSign, jwk.OpVerify}
	if spec.Use == alg.UseEncrypt {
		use = jwk.UseEncryption
		operations = []string{jwk.OpEncrypt, jwk.OpDecrypt, jwk.OpWrapKey, jwk.OpUnwrapKey, jwk.OpDeriveKey, jwk.OpDeriveBits}
	}
	if err := brought.Permits(operations...); err != nil {
		return nil, err
	}
	if err := fits(brought, spec); err != nil {
		return nil, err
	}
	return jwk.FromMaterial(brought.Material(), jwk.Attributes{Algorithm: spec.KeyAlgorithm(), Use: use})
}

// fits checks the length and the curve of a key.
func fits(key *jwk.Key, spec alg.Spec) error {
	if spec.Use != alg.UseEncrypt {
		signature, err := alg.LookupSignature(spec.Signature)
		if err != nil {
			return err
		}
		return key.FitsSignature(signature)
	}
	management, err := alg.LookupKeyManagement(spec.KeyManagement)
	if err != nil {
		return err
	}
	if management.Family == alg.Direct && key.Size() != spec.KeySize {
		return problem.New("key_mismatch", "the JWK is not a key for %s: it has another length", spec.Algorithm)
	}
	return key.FitsKeyManagement(management)
}

// newKey is the key that was asked for, before it has a version.
func (a *Authority) newKey(ctx context.Context, caller Caller, ask NewKey, spec alg.Spec) (Key, error) {
	if err := checkName(ask.Name); err != nil {
		return Key{}, err
	}
	if spec.Use != alg.UseSign && spec.Use != alg.UseMAC && spec.Use != alg.UseEncrypt {
		return Key{}, alg.Unsupported(spec.Algorithm) // a key that no operation can use
	}
	now := a.instant()
	key := Key{
		Tenant: caller.Tenant, Name: ask.Name, Description: ask.Description, Algorithm: spec.Algorithm, Curve: spec.Curve, Use: spec.Use,
		Status: KeyActive, Published: spec.KeyType != alg.KeyTypeOctet, Exportable: ask.Exportable,
		TokenLifetime: ask.TokenLifetime, VersionCount: 1,
		CreatedAt: now, UpdatedAt: now, Revision: 1,
	}
	if spec.KeyType == alg.KeyTypeRSA {
		key.KeySize = spec.KeySize
	}
	if ask.Published != nil {
		key.Published = *ask.Published
	}
	if key.TokenLifetime == 0 {
		key.TokenLifetime = DefaultTokenLifetime
	}
	if err := key.check(); err != nil {
		return Key{}, err
	}
	// Generation can take seconds: what will be refused is better said before. The unique index decides.
	if _, err := a.store.Ring(ctx, caller.Tenant, naming.Ref(ask.Name)); err == nil {
		return Key{}, errNameTaken()
	}
	if err := a.roomFor(ctx, key); err != nil {
		return Key{}, err
	}
	var err error
	key.ID, err = newID()
	return key, err
}

// check holds what callers say of a key to what it can be.
func (k Key) check() error {
	switch {
	case len(k.Description) > maxDescription || !naming.Storable(k.Description):
		return invalid("/description", "a description is UTF-8 of at most %d bytes, without U+0000", maxDescription)
	case k.TokenLifetime < MinTokenLifetime || k.TokenLifetime > MaxTokenLifetime:
		return invalid("/token_lifetime_seconds", "from %d to %d seconds", MinTokenLifetime/time.Second, MaxTokenLifetime/time.Second)
	case k.Published && k.symmetric():
		return invalid("/published", "a symmetric key has no public part")
	}
	return nil
}

func (k Key) symmetric() bool {
	spec, err := k.Spec()
	return err != nil || spec.KeyType == alg.KeyTypeOctet
}

// roomFor refuses a key that would make the public key set too large to be read.
func (a *Authority) roomFor(ctx context.Context, key Key) error {
	if !key.Published {
		return nil
	}
	set, err := a.store.Published(ctx, key.Tenant, MaxPublished)
	if err != nil {
		return fmt.Errorf("count published keys: %w", err)
	}
	if len(set) >= MaxPublished {
		return problem.New(problem.Conflict, "%d keys are published already; publish no more, or destroy some", MaxPublished)
	}
	return nil
}

// insert stores a new key with its first version. Both are stored, or neither.
func (a *Authority) insert(ctx context.Context, key Key, first fresh, action string) (Version, error) {
	draft, err := a.newDraft(ctx, key, first, key.CreatedAt)
	if err != nil {
		return Version{}, err
	}
	var version Version
	err = a.store.InTx(ctx, func(ctx context.Context) error {
		if err := a.store.InsertKey(ctx, key); err != nil {
			return err
		}
		if version, err = draft.store(ctx, a.store, key, 1); err != nil {
			return err
		}
		return a.events.Record(ctx, keyEvent(action, key, 1))
	})
	if errors.Is(err, ErrNameTaken) {
		return Version{}, errNameTaken()
	}
	if err != nil {
		return Version{}, fmt.Errorf("store key: %w", err)
	}
	return version, nil
}

// fresh is the material of a version, and where it came from.
type fresh struct {
	material   *jwk.Key
	origin     Origin
	kmsVersion int64 // of what a KMS keeps
}

// draft is a version that has its material but not yet its number.
type draft struct {
	version  Version
	wrapper  *barrier.Wrapper
	material *jwk.Key
}

// newDraft prepares a further version of key. What needs SQL of its own happens here, before the transaction that decides the number.
func (a *Authority) newDraft(ctx context.Context, key Key, of fresh, activateAt time.Time) (draft, error) {
	wrapper, err := a.barrier.Tenant(ctx, key.Tenant)
	if err != nil {
		return draft{}, fmt.Errorf("open barrier for tenant: %w", err)
	}
	id, err := newID()
	if err != nil {
		return draft{}, err
	}
	now := a.instant()
	version := Version{
		Tenant: key.Tenant, KeyID: key.ID, ID: id, Status: VersionPending, Origin: of.origin, ActivateAt: activateAt,
		TokenLifetime: key.TokenLifetime, KMSVersion: of.kmsVersion, CreatedAt: now, UpdatedAt: now,
	}
	version.Status = version.At(now)
	return draft{version: version, wrapper: wrapper, material: of.material}, nil
}

// store wraps the material for its number and inserts the row.
func (d draft) store(ctx context.Context, store VersionStore, key Key, number int64) (Version, error) {
	version := d.version
	version.Number = number
	wrapped, err := wrap(d.wrapper, key, version, d.material)
	if err != nil {
		return Version{}, err
	}
	version.WrappedKey = wrapped
	return version, store.InsertVersion(ctx, version)
}
