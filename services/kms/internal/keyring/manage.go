package keyring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// maxDescription bounds a description, in bytes.
const maxDescription = 4096

// NewKey asks for an elastic key.
type NewKey struct {
	Name        string
	Description string
	Algorithm   string
	KeySize     int    // bits of an RSA modulus; 0: default
	Curve       string // of an EC key; empty: default
	Tags        map[string]string
	// Origin is OriginGenerated ("" too), or OriginImported for a key that gets its versions by import.
	Origin     Origin
	Exportable bool
	Published  bool
	// FixedVersion denies further versions, NoImport their import.
	FixedVersion bool
	NoImport     bool
	Policy       Policy
	Rotation     Rotation
	// Async has a version that takes seconds to generate made afterwards.
	Async bool
}

// Create makes an elastic key and its version 1. Both are stored, or neither.
func (k *Keyring) Create(ctx context.Context, caller Caller, ask NewKey) (ElasticKey, error) {
	if err := decideScope(caller, OpCreate); err != nil {
		return ElasticKey{}, err
	}
	if err := checkName(ask.Name); err != nil {
		return ElasticKey{}, err
	}
	spec, err := alg.ParseSpec(ask.Algorithm, ask.KeySize, ask.Curve)
	if err != nil {
		return ElasticKey{}, err
	}
	key, err := k.newElastic(caller, ask, spec)
	if err != nil {
		return ElasticKey{}, err
	}
	// Generation can take seconds: a name that is taken is better said before. The unique index decides.
	if _, err := k.store.ElasticKey(ctx, caller.Tenant, Ref(ask.Name)); err == nil {
		return ElasticKey{}, errNameTaken()
	}
	if key.Status != ElasticActive {
		if err := k.insert(ctx, key, nil); err != nil {
			return ElasticKey{}, err
		}
		k.await(key)
		return key, nil
	}
	draft, err := k.newDraft(ctx, key)
	if err != nil {
		return ElasticKey{}, err
	}
	defer draft.material.Zero()
	return key, k.insert(ctx, key, &draft)
}

// newElastic is the key that was asked for, before it has a version.
func (k *Keyring) newElastic(caller Caller, ask NewKey, spec alg.Spec) (ElasticKey, error) {
	now := k.instant()
	key := ElasticKey{
		Tenant: caller.Tenant, Name: ask.Name, Description: ask.Description, Tags: ask.Tags,
		Algorithm: spec.Algorithm, KeySize: rsaBits(spec), Curve: spec.Curve, Use: spec.Use,
		Status: ElasticCreating, Origin: OriginGenerated, Exportable: ask.Exportable, Published: ask.Published,
		VersioningAllowed: !ask.FixedVersion, ImportAllowed: ask.Origin == OriginImported || !ask.NoImport,
		PrimaryVersion: 1, VersionCount: 1, Policy: ask.Policy, Rotation: ask.Rotation, NextRotationAt: ask.Rotation.next(k.steady.Latest()),
		CreatedAt: now, UpdatedAt: now, Revision: 1,
	}
	if ask.Origin == OriginImported {
		key.Origin = OriginImported
	}
	begin := elasticGenerated()
	switch {
	case key.Origin == OriginImported:
		begin = elasticAwaitImport()
	case ask.Async && slow(spec):
		begin = elasticGenerate()
	}
	if key.Status = begin.To; key.Status != ElasticActive {
		key.PrimaryVersion, key.VersionCount, key.NextRotationAt = 0, 0, time.Time{}
	}
	if q := key.Policy.Quorum; q != nil {
		key.Policy.Quorum = &Quorum{Approvals: q.Approvals, Approvers: q.Approvers}
	}
	if err := key.check(); err != nil {
		return ElasticKey{}, err
	}
	var err error
	key.ID, err = newID()
	return key, err
}

// insert stores a new key with its first version, if there is one yet. Both are stored, or neither.
func (k *Keyring) insert(ctx context.Context, key ElasticKey, first *draft) error {
	err := k.store.InTx(ctx, func(ctx context.Context) error {
		if err := k.store.InsertElasticKey(ctx, key); err != nil {
			return err
		}
		if first != nil {
			if _, err := first.store(ctx, k.store, key, 1); err != nil {
				return err
			}
		}
		return k.record(ctx, Event{Action: ActionCreate, Key: key, Version: key.VersionCount})
	})
	if errors.Is(err, ErrNameTaken) {
		return errNameTaken()
	}
	if err != nil {
		return fmt.Errorf("store key: %w", err)
	}
	return nil
}

// Rotate adds a version and makes it primary.
func (k *Keyring) Rotate(ctx context.Context, caller Caller, ref Ref) (MaterialKey, error) {
	key, err := k.permitKey(ctx, caller, OpRotate, ref)
	if err != nil {
		return MaterialKey{}, err
	}
	if err := rotatable(key); err != nil {
		return MaterialKey{}, err
	}
	version, err := k.rotate(ctx, key, 0)
	if errors.Is(err, ErrStale) {
		// Its state changed between the decision and the update: the decision is made again, on what is there now.
		if key, err = k.permitKey(ctx, caller, OpRotate, ref); err != nil {
			return MaterialKey{}, err
		}
		if err := rotatable(key); err != nil {
			return MaterialKey{}, err
		}
		return MaterialKey{}, errConflict()
	}
	return version, err
}

// rotatable tells whether the key may get a version that is generated.
func rotatable(key ElasticKey) error {
	switch {
	case key.Status != ElasticActive:
		return errState("the key", string(key.Status), string(OpRotate), string(ElasticActive))
	case !key.VersioningAllowed:
		return problem.New("policy_refused", "the key does not allow further versions")
	case key.Origin == OriginImported:
		return problem.New("policy_refused", "the key's versions are imported")
	}
	return nil
}

// rotate adds a version to key if its status, and its primary version where ifPrimary is not 0, are still what the caller saw;
// ErrStale otherwise.
func (k *Keyring) rotate(ctx context.Context, key ElasticKey, ifPrimary int64) (MaterialKey, error) {
	return k.rotateWithin(ctx, key, ifPrimary, k.store.InTx)
}

// rotateWithin is rotate in a transaction of the caller's choice.
func (k *Keyring) rotateWithin(
	ctx context.Context, key ElasticKey, ifPrimary int64, within func(context.Context, func(context.Context) error) error,
) (MaterialKey, error) {
	draft, err := k.newDraft(ctx, key)
	if err != nil {
		return MaterialKey{}, err
	}
	defer draft.material.Zero()
	key.UpdatedAt, key.NextRotationAt = k.instant(), key.Rotation.next(k.steady.Latest())
	var version MaterialKey
	err = within(ctx, func(ctx context.Context) error {
		number, err := k.store.AddVersion(ctx, key, ifPrimary)
		if err != nil {
			return err
		}
		if version, err = draft.store(ctx, k.store, key, number); err != nil {
			return err
		}
		return k.record(ctx, Event{Action: ActionRotate, Key: key, Version: number})
	})
	if err != nil {
		return MaterialKey{}, fmt.Errorf("store version: %w", err)
	}
	return version, nil
}

// draft is a version that has its material but not yet its number.
type draft struct {
	version  MaterialKey
	wrapper  *barrier.Wrapper
	material *jwk.Key
}

// newDraft generates material for a further version of key. What is slow or needs SQL of its own happens here, before the transaction
// that decides the version's number.
func (k *Keyring) newDraft(ctx context.Context, key ElasticKey) (draft, error) {
	spec, err := key.Spec()
	if err != nil {
		return draft{}, err
	}
	wrapper, err := k.barrier.Tenant(ctx, key.Tenant)
	if err != nil {
		return draft{}, fmt.Errorf("open barrier for tenant: %w", err)
	}
	id, err := newID()
	if err != nil {
		return draft{}, err
	}
	material, err := k.generator.Take(ctx, spec)
	if err != nil {
		return draft{}, &generationError{fmt.Errorf("generate %s: %w", key.Algorithm, err)}
	}
	version := MaterialKey{
		Tenant: key.Tenant, ElasticKeyID: key.ID, ID: id,
		Status: VersionEnabled, Origin: OriginGenerated, Exportable: key.Exportable, CreatedAt: k.instant(), UpdatedAt: k.instant(),
	}
	return draft{version: version, wrapper: wrapper, material: material}, nil
}

// store wraps the material for its number and inserts the row.
func (d draft) store(ctx context.Context, store MaterialKeyStore, key ElasticKey, number int64) (MaterialKey, error) {
	version := d.version
	version.Version = number
	wrapped, err := wrap(d.wrapper, key, version, d.material)
	if err != nil {
		return MaterialKey{}, err
	}
	version.WrappedKey = wrapped
	return version, store.InsertMaterialKey(ctx, version)
}

// instant is the present time at the precision that is stored.
func (k *Keyring) instant() time.Time {
	return k.now().UTC().Truncate(time.Microsecond)
}

func rsaBits(spec alg.Spec) int {
	if spec.KeyType == alg.KeyTypeRSA {
		return spec.KeySize
	}
	return 0
}

func newID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make id: %w", err)
	}
	return id.String(), nil
}

// checkDescription holds a description to what every database can keep.
func checkDescription(text string) error {
	if len(text) > maxDescription || !storable(text) {
		return invalidMember("/description", "a description is UTF-8 of at most %d bytes, without U+0000", maxDescription)
	}
	return nil
}

func errNameTaken() error {
	return problem.New("conflict", "another key has this name")
}

var _ Barrier = (*barrier.Barrier)(nil)
