package keyring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keyimport"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Import is material that a caller brings: wrapped for an import job, or the public part alone of a key that is elsewhere.
type Import struct {
	// Job is the token of an import job, and Wrapped the material: the bytes, or the compact JWE as text, as the job's method has it.
	Job     string
	Wrapped []byte
	// PublicKey is a JWK, or a SubjectPublicKeyInfo in PEM, in the place of Job and Wrapped.
	PublicKey []byte
	// ExpiresAt is when the material is forgotten; zero: never.
	ExpiresAt time.Time
	// Version is the one that gets back what it has lost by expiry; 0 for a new version.
	Version int64
}

// Import makes a version of material that the caller brings, or gives an expired version its material back. The first import makes the key
// active; a further one makes its version primary.
//
// A job serves one import. A refusal of the material leaves it open, for MaxImportAttempts in all, and turns a key that awaits its first
// import to import_failed, which the next success ends.
func (k *Keyring) Import(ctx context.Context, caller Caller, ref Ref, ask Import) (ElasticKey, MaterialKey, error) {
	key, err := k.permitKey(ctx, caller, OpImport, ref)
	if err != nil {
		return ElasticKey{}, MaterialKey{}, err
	}
	target, err := k.importTarget(ctx, key, ask)
	if err != nil {
		return ElasticKey{}, MaterialKey{}, err
	}
	var job ImportJob
	if ask.PublicKey == nil {
		if job, err = k.tryImportJob(ctx, key, ask.Job); err != nil {
			return ElasticKey{}, MaterialKey{}, err
		}
	}
	material, err := k.receive(ctx, target, job, ask)
	if err == nil {
		defer material.Zero()
		err = k.sameMaterial(target, material)
	}
	if err != nil {
		return ElasticKey{}, MaterialKey{}, k.refuseImport(ctx, key, job, err)
	}
	key, version, err := k.storeImport(ctx, target, job, material)
	if errors.Is(err, ErrStale) {
		return ElasticKey{}, MaterialKey{}, k.lostImport(ctx, caller, ref, job, ask)
	}
	return key, version, err
}

// importTarget is where imported material goes.
type importTarget struct {
	key  ElasticKey
	spec alg.Spec
	// version is the row to be: a new one, whose number is not known yet, or one that has lost its material.
	version MaterialKey
	again   bool // it has lost its material
	expired bool // and nothing has noticed that yet
}

// importTarget decides whether the key takes the material. Everything that can be said without looking at the material is said here.
func (k *Keyring) importTarget(ctx context.Context, key ElasticKey, ask Import) (importTarget, error) {
	spec, err := key.Spec()
	if err != nil {
		return importTarget{}, fmt.Errorf("key %s: %w", key.ID, err)
	}
	now := k.instant()
	public := ask.PublicKey != nil
	switch {
	case !ask.ExpiresAt.IsZero() && !now.Before(ask.ExpiresAt):
		return importTarget{}, invalidMember("/expires_at", "in the future")
	case public && (ask.Job != "" || ask.Wrapped != nil):
		return importTarget{}, invalidMember("/public_key", "alone, or job and wrapped_material")
	case public && key.Origin != OriginImported:
		return importTarget{}, problem.New("policy_refused", "the key's versions are generated; a public key alone would not do what they do")
	}
	if err := importable(key); err != nil {
		return importTarget{}, err
	}
	target := importTarget{key: key, spec: spec, version: MaterialKey{
		Tenant: key.Tenant, ElasticKeyID: key.ID, Status: VersionEnabled, Origin: OriginImported, Exportable: key.Exportable, CreatedAt: now,
	}}
	if public {
		target.version.Origin = OriginPublic
	}
	if ask.Version != 0 {
		err = k.importAgain(ctx, &target, ask.Version, now)
	} else if err = addable(key); err == nil {
		target.version.ID, err = newID()
	}
	target.version.ExpiresAt, target.version.UpdatedAt = ask.ExpiresAt, now
	return target, err
}

// importAgain aims at a version that has lost its material.
func (k *Keyring) importAgain(ctx context.Context, target *importTarget, number int64, now time.Time) error {
	version, err := k.numbered(ctx, target.key, number)
	if errors.Is(err, ErrNotFound) {
		return errNoVersion()
	}
	if err != nil {
		return fmt.Errorf("load version: %w", err)
	}
	origin := target.version.Origin
	target.again, target.expired = true, version.expired(now) && versionExpire().Allows(version.Status)
	target.version = version
	switch {
	case version.Status != VersionPendingImport && !target.expired:
		return versionImport().refuse(version.title(), version.Status)
	case version.Origin != origin:
		return errOtherMaterial()
	}
	target.version.Status = VersionEnabled
	return nil
}

// importable tells whether anything may be imported into the key as it is.
func importable(key ElasticKey) error {
	if !key.ImportAllowed {
		return problem.New("policy_refused", "the key does not allow import")
	}
	switch key.Status {
	case ElasticPendingImport, ElasticImportFailed, ElasticActive, ElasticDisabled:
		return nil
	default:
		return errState("the key", string(key.Status), string(OpImport), "pending_import, import_failed, active or disabled")
	}
}

// addable tells whether a version may be added.
func addable(key ElasticKey) error {
	switch {
	case elasticImported().Allows(key.Status):
		return nil
	case key.Status != ElasticActive:
		return errState("the key", string(key.Status), string(OpImport), "pending_import, import_failed or active")
	case !key.VersioningAllowed:
		return problem.New("policy_refused", "the key does not allow further versions")
	default:
		return nil
	}
}

// receive opens the material and holds it to what the algorithm needs.
func (k *Keyring) receive(ctx context.Context, target importTarget, job ImportJob, ask Import) (*jwk.Key, error) {
	if ask.PublicKey != nil {
		return keyimport.ParsePublic(target.spec, ask.PublicKey)
	}
	wrapping, err := k.openImportJob(ctx, job)
	if err != nil {
		return nil, err
	}
	defer wrapping.Zero()
	return keyimport.Import(target.spec, job.Method, wrapping, ask.Wrapped)
}

// storeImport stores the version and ends the job, both or neither. ErrStale: the job, the key or the version is not as it was.
func (k *Keyring) storeImport(ctx context.Context, target importTarget, job ImportJob, material *jwk.Key) (key ElasticKey, version MaterialKey, err error) {
	d, err := k.importDraft(ctx, target, material)
	if err != nil {
		return ElasticKey{}, MaterialKey{}, err
	}
	err = k.store.InTx(ctx, func(ctx context.Context) error {
		key = target.key
		if target.again {
			version, err = k.refill(ctx, target, d)
		} else {
			key, version, err = k.addImported(ctx, key, d)
		}
		if err != nil {
			return err
		}
		if job.ID != "" {
			if err := k.store.UseImportJob(ctx, job, version.Version, k.instant()); err != nil {
				return err
			}
		}
		return k.record(ctx, Event{Action: ActionImport, Key: key, Version: version.Version, Detail: string(version.Origin)})
	})
	if err != nil {
		return ElasticKey{}, MaterialKey{}, fmt.Errorf("store imported version: %w", err)
	}
	return key, version, nil
}

// addImported adds the version to a key and, if it is the first, makes the key active.
func (k *Keyring) addImported(ctx context.Context, key ElasticKey, d draft) (ElasticKey, MaterialKey, error) {
	first := key.Status != ElasticActive
	key.UpdatedAt, key.NextRotationAt = k.instant(), key.Rotation.next(k.instant())
	number, err := k.store.AddVersion(ctx, key, 0)
	if err != nil {
		return ElasticKey{}, MaterialKey{}, err
	}
	version, err := d.store(ctx, k.store, key, number)
	if err != nil {
		return ElasticKey{}, MaterialKey{}, err
	}
	key.PrimaryVersion, key.VersionCount = number, number
	if first {
		key, err = k.store.MoveElasticKey(ctx, key.Tenant, key.ID, elasticImported(), time.Time{}, k.instant())
	}
	return key, version, err
}

// refill gives a version its material back.
func (k *Keyring) refill(ctx context.Context, target importTarget, d draft) (MaterialKey, error) {
	if target.expired {
		if _, err := k.store.MoveMaterialKey(ctx, d.version, versionExpire(), time.Time{}, k.instant()); err != nil {
			return MaterialKey{}, err
		}
	}
	version := d.version
	wrapped, err := wrap(d.wrapper, target.key, version, d.material)
	if err != nil {
		return MaterialKey{}, err
	}
	version.WrappedKey = wrapped
	return version, k.store.FillMaterialKey(ctx, version)
}

func (k *Keyring) importDraft(ctx context.Context, target importTarget, material *jwk.Key) (d draft, err error) {
	d = draft{version: target.version, material: material}
	if d.wrapper, err = k.barrier.Tenant(ctx, target.key.Tenant); err != nil {
		return draft{}, fmt.Errorf("open barrier for tenant: %w", err)
	}
	d.version.Commitment, err = k.commitment(target.version, material)
	return d, err
}
