package keyring

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
)

const (
	// AttestationType is the "typ" of a statement about a key. Nothing else that the service signs has it.
	AttestationType = "cu-attestation+jws"
	// purposeAttestation is the barrier's label for keys that sign statements. It never changes.
	purposeAttestation = "kms/attestation-key"
	// attestationAlgorithm signs them.
	attestationAlgorithm = "Ed25519"
	// attestationKeyLife is how long a key signs new statements; the old ones verify for ever.
	attestationKeyLife = 365 * 24 * time.Hour
	// maxAttestationKeys is how many of a tenant's keys are read and published: more than a hundred years of them.
	maxAttestationKeys = 128
	// fipsModule is what the version of the module is of.
	fipsModule = "Go Cryptographic Module"
)

// AttestationKey is a tenant's key that signs statements about its keys.
type AttestationKey struct {
	Tenant     string
	Version    int64 // from 1
	ID         string
	WrappedKey string
	CreatedAt  time.Time
}

// AttestationStore keeps keys that sign statements.
type AttestationStore interface {
	// AttestationKeys reads up to limit keys of a tenant, the newest first.
	AttestationKeys(ctx context.Context, tenant string, limit int) ([]AttestationKey, error)
	// InsertAttestationKey stores a key, unless the tenant has one of that version.
	InsertAttestationKey(ctx context.Context, key AttestationKey) error
}

// Statement is what an attestation says, as its JSON payload.
type Statement struct {
	Tenant       string `json:"tenant"`
	ElasticKeyID string `json:"elastic_key_id"`
	KeyID        string `json:"kid"`
	Version      int64  `json:"version"`
	Algorithm    string `json:"algorithm"`
	KeySize      int    `json:"key_size,omitempty"`
	Curve        string `json:"curve,omitempty"`
	Use          string `json:"use"`
	Origin       Origin `json:"origin"`
	Exportable   bool   `json:"exportable"`
	// Thumbprint is that of the public part (RFC 7638, SHA-256); empty for a symmetric key.
	Thumbprint string `json:"jwk_thumbprint,omitempty"`
	CreatedAt  string `json:"created_at"` // RFC 3339
	// FIPSModule is the cryptographic module that holds the key now, FIPSVersion its version, ServiceVersion that of the service.
	FIPSModule     string `json:"fips_module"`
	FIPSVersion    string `json:"fips_module_version"`
	ServiceVersion string `json:"service_version"`
	IssuedAt       int64  `json:"iat"` // seconds since 1970 (RFC 7519 section 2)
}

// Attest signs a statement about a version (0: the primary one). The key is opened for it: algorithm, use, origin and exportable are what the
// barrier vouches for, and a row that was edited gets no statement.
func (k *Keyring) Attest(ctx context.Context, caller Caller, ref Ref, version int64) (attestation string, of MaterialKey, err error) {
	p, err := k.permit(ctx, caller, OpRead, ref, version)
	if err != nil {
		return "", MaterialKey{}, err
	}
	held, err := k.material(ctx, p)
	if err != nil {
		return "", MaterialKey{}, err
	}
	defer held.release()
	now := k.instant()
	statement := Statement{
		Tenant: p.key.Tenant, ElasticKeyID: p.key.ID, KeyID: p.version.KeyID(), Version: p.version.Version, Algorithm: p.key.Algorithm,
		KeySize: p.key.KeySize, Curve: p.key.Curve, Use: string(p.key.Use), Origin: p.version.Origin, Exportable: p.version.Exportable,
		CreatedAt: p.version.CreatedAt.UTC().Format(time.RFC3339Nano), FIPSModule: fipsModule, FIPSVersion: fips.Module(), ServiceVersion: k.release,
		IssuedAt: now.Unix(),
	}
	if !held.key.IsSymmetric() {
		statement.Thumbprint = held.key.ThumbprintSHA256()
	}
	payload, err := json.Marshal(statement)
	if err != nil {
		return "", MaterialKey{}, fmt.Errorf("encode statement: %w", err)
	}
	signer, err := k.attestationKey(ctx, p.key.Tenant, now)
	if err != nil {
		return "", MaterialKey{}, err
	}
	defer signer.Zero()
	if attestation, err = jws.Sign(signer, jws.Header{Type: AttestationType, ContentType: "json"}, payload); err != nil {
		return "", MaterialKey{}, fmt.Errorf("sign statement: %w", err)
	}
	return attestation, p.version, nil
}

// AttestationKeys is the tenant's JWK Set of the keys that verify statements. It is nobody's secret: it takes no caller.
func (k *Keyring) AttestationKeys(ctx context.Context, tenant string) ([]byte, error) {
	if k.barrier.Sealed() {
		return nil, barrier.ErrSealed
	}
	keys, err := k.store.AttestationKeys(ctx, tenant, maxAttestationKeys)
	if err != nil {
		return nil, fmt.Errorf("list attestation keys: %w", err)
	}
	set := keySet{Keys: make([]json.RawMessage, 0, len(keys))}
	for _, of := range keys {
		public, err := k.publicAttestationKey(ctx, of)
		if err != nil {
			return nil, err
		}
		set.Keys = append(set.Keys, public)
	}
	return set.encode()
}

// AttestationKeysFor is AttestationKeys for a caller who reads the tenant's keys.
func (k *Keyring) AttestationKeysFor(ctx context.Context, caller Caller) ([]byte, error) {
	if err := decideScope(caller, OpRead); err != nil {
		return nil, err
	}
	return k.AttestationKeys(ctx, caller.Tenant)
}

func (k *Keyring) publicAttestationKey(ctx context.Context, of AttestationKey) ([]byte, error) {
	private, err := k.openAttestationKey(ctx, of)
	if err != nil {
		return nil, err
	}
	defer private.Zero()
	public, err := private.Public()
	if err != nil {
		return nil, fmt.Errorf("public part: %w", err)
	}
	return public.MarshalPublic()
}

// attestationKey is the key that signs now: made at first use, and a new one when it is old. Replicas that make one at once adopt the first.
func (k *Keyring) attestationKey(ctx context.Context, tenant string, now time.Time) (*jwk.Key, error) {
	for range 2 {
		keys, err := k.store.AttestationKeys(ctx, tenant, 1)
		if err != nil {
			return nil, fmt.Errorf("load attestation key: %w", err)
		}
		if len(keys) == 1 && now.Before(keys[0].CreatedAt.Add(attestationKeyLife)) {
			return k.openAttestationKey(ctx, keys[0])
		}
		version := int64(1)
		if len(keys) == 1 {
			version = keys[0].Version + 1
		}
		if err := k.makeAttestationKey(ctx, tenant, version, now); err != nil {
			return nil, err
		}
	}
	return nil, errConflict()
}

func (k *Keyring) makeAttestationKey(ctx context.Context, tenant string, version int64, now time.Time) error {
	wrapper, err := k.barrier.Tenant(ctx, tenant)
	if err != nil {
		return fmt.Errorf("open barrier for tenant: %w", err)
	}
	made := AttestationKey{Tenant: tenant, Version: version, CreatedAt: now}
	if made.ID, err = newID(); err != nil {
		return err
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("generate attestation key: %w", err)
	}
	key, err := jwk.FromMaterial(private, jwk.Attributes{ID: "attestation." + made.ID, Algorithm: attestationAlgorithm, Use: jwk.UseSignature})
	clear(private)
	if err != nil {
		return fmt.Errorf("make attestation key: %w", err)
	}
	defer key.Zero()
	text, err := key.MarshalPrivate()
	if err != nil {
		return fmt.Errorf("encode attestation key: %w", err)
	}
	defer clear(text)
	if made.WrappedKey, err = wrapper.Wrap(made.Binding(), text); err != nil {
		return fmt.Errorf("wrap attestation key: %w", err)
	}
	if err := k.store.InsertAttestationKey(ctx, made); err != nil {
		return fmt.Errorf("store attestation key: %w", err)
	}
	return nil
}

// Binding is what a key that signs statements is bound to.
func (a AttestationKey) Binding() barrier.Binding {
	return barrier.Binding{Tenant: a.Tenant, Purpose: purposeAttestation, ID: a.ID, Version: a.Version}
}

func (k *Keyring) openAttestationKey(ctx context.Context, of AttestationKey) (*jwk.Key, error) {
	private, err := k.barrier.Unwrap(ctx, of.Binding(), of.WrappedKey)
	if err != nil {
		return nil, fmt.Errorf("open attestation key %s: %w", of.ID, err)
	}
	defer clear(private)
	key, err := jwk.Parse(private)
	if err != nil {
		return nil, fmt.Errorf("decode attestation key %s: %w", of.ID, err)
	}
	return key, nil
}
