package keyring

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keyimport"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

const (
	// ImportJobLife is how long an import job can be used.
	ImportJobLife = 24 * time.Hour
	// MaxImportAttempts is how often material can be offered to one job. A success is the end of it, a refusal is not.
	MaxImportAttempts = 10
	// importJobKept is how long an import job is listed after its time. The audit trail knows it for longer.
	importJobKept = 90 * 24 * time.Hour
	// importTokenSize is the length of a job's token in bytes. Whoever has it, and may import, can use the job.
	importTokenSize = 32
	// purposeImportJob is the barrier's label for wrapping keys. It never changes.
	purposeImportJob = "kms/import-job"
)

// ImportJobStatus is the state of an import job.
type ImportJobStatus string

// States of an import job. Expired is what an open one is after its time.
const (
	ImportJobOpen      ImportJobStatus = "open"
	ImportJobUsed      ImportJobStatus = "used"
	ImportJobExhausted ImportJobStatus = "exhausted"
	ImportJobExpired   ImportJobStatus = "expired"
)

// ImportJob is a wrapping key for the import of one version.
type ImportJob struct {
	Tenant       string
	ElasticKeyID string
	ID           string // UUIDv7
	// TokenHash is the SHA-256 of the token, as base64url. The token has 256 random bits, so that the hash tells nothing about it.
	TokenHash string
	Method    string // of wrapping: keyimport.MethodRSA or keyimport.MethodECDH
	KeySize   int    // bits of an RSA modulus, otherwise 0
	Curve     string // of an EC key, otherwise empty
	Status    ImportJobStatus
	Attempts  int64
	// WrappedKey is the JWE of the private JWK, made by the barrier; empty when the job is over.
	WrappedKey string
	Version    int64 // that it has made or filled; 0 before
	ExpiresAt  time.Time
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// ImportJobStore keeps import jobs.
type ImportJobStore interface {
	// InsertImportJob stores a new job, and takes the wrapping keys of the tenant's expired ones away.
	InsertImportJob(ctx context.Context, job ImportJob) error
	// ImportJob reads a job of a key; ErrNotFound.
	ImportJob(ctx context.Context, tenant, elasticID, id string) (ImportJob, error)
	// ImportJobByToken reads a job of a key by the hash of its token; ErrNotFound.
	ImportJobByToken(ctx context.Context, tenant, elasticID, hash string) (ImportJob, error)
	// ImportJobs reads up to limit jobs of a key, the newest first, before the id given ("": from the newest).
	ImportJobs(ctx context.Context, tenant, elasticID, before string, limit int) ([]ImportJob, error)
	// TryImportJob counts an attempt, if the job is open, not expired at the time, and has had fewer than most; ErrStale otherwise. It returns
	// the job as it is now.
	TryImportJob(ctx context.Context, job ImportJob, most int64, now time.Time) (ImportJob, error)
	// UseImportJob ends an open job by a success, once; ErrStale if it is not open any more, or expired.
	UseImportJob(ctx context.Context, job ImportJob, version int64, now time.Time) error
	// ExhaustImportJob ends an open job that has had as many attempts as most; it changes no other.
	ExhaustImportJob(ctx context.Context, job ImportJob, most int64, now time.Time) error
}

// NewImportJob asks for an import job.
type NewImportJob struct {
	Method  string
	KeySize int    // of MethodRSA: 3072 (0 too) or 4096
	Curve   string // of MethodECDH; empty: default
}

// WrappingKey is the public part of an import job's wrapping key.
type WrappingKey struct {
	JWK []byte
	PEM string
}

// CreateImportJob makes a wrapping key for one import into a key. The token, which uses it, is told this once.
func (k *Keyring) CreateImportJob(ctx context.Context, caller Caller, ref Ref, ask NewImportJob) (job ImportJob, public WrappingKey, token string, err error) {
	key, err := k.permitKey(ctx, caller, OpImport, ref)
	if err != nil {
		return ImportJob{}, WrappingKey{}, "", err
	}
	if err := importable(key); err != nil {
		return ImportJob{}, WrappingKey{}, "", err
	}
	spec, err := keyimport.WrappingSpec(ask.Method, ask.KeySize, ask.Curve)
	if err != nil {
		return ImportJob{}, WrappingKey{}, "", err
	}
	wrapper, err := k.barrier.Tenant(ctx, key.Tenant)
	if err != nil {
		return ImportJob{}, WrappingKey{}, "", fmt.Errorf("open barrier for tenant: %w", err)
	}
	wrapping, err := k.generator.Take(ctx, spec)
	if err != nil {
		return ImportJob{}, WrappingKey{}, "", fmt.Errorf("generate wrapping key: %w", err)
	}
	defer wrapping.Zero()
	secret := make([]byte, importTokenSize)
	_, _ = rand.Read(secret) // never fails: it ends the process instead
	token = base64.RawURLEncoding.EncodeToString(secret)
	now := k.instant()
	job = ImportJob{
		Tenant: key.Tenant, ElasticKeyID: key.ID, TokenHash: hashImportToken(token), Method: ask.Method, KeySize: rsaBits(spec), Curve: spec.Curve,
		Status: ImportJobOpen, ExpiresAt: now.Add(ImportJobLife), CreatedAt: now, UpdatedAt: now,
	}
	if job.ID, err = newID(); err != nil {
		return ImportJob{}, WrappingKey{}, "", err
	}
	if job.WrappedKey, public, err = job.seal(wrapper, wrapping); err != nil {
		return ImportJob{}, WrappingKey{}, "", err
	}
	err = k.store.InTx(ctx, func(ctx context.Context) error {
		if err := k.store.InsertImportJob(ctx, job); err != nil {
			return err
		}
		return k.record(ctx, Event{Action: ActionImportJob, Key: key, Detail: job.ID})
	})
	if err != nil {
		return ImportJob{}, WrappingKey{}, "", fmt.Errorf("store import job: %w", err)
	}
	return job, public, token, nil
}

// ImportJob reads a job with its wrapping key, which has no parts when the job is over. The public part is derived from the sealed private
// one, so that nobody who can only write to the database has others wrap their keys for him.
func (k *Keyring) ImportJob(ctx context.Context, caller Caller, ref Ref, id string) (ImportJob, WrappingKey, error) {
	key, err := k.permitKey(ctx, caller, OpRead, ref)
	if err != nil {
		return ImportJob{}, WrappingKey{}, err
	}
	job, err := k.importJob(ctx, key, id)
	if err != nil {
		return ImportJob{}, WrappingKey{}, err
	}
	if job = job.at(k.instant()); job.Status != ImportJobOpen {
		return job, WrappingKey{}, nil
	}
	private, err := k.openImportJob(ctx, job)
	if err != nil {
		return ImportJob{}, WrappingKey{}, err
	}
	defer private.Zero()
	public, err := wrappingKey(private)
	return job, public, err
}

func (k *Keyring) importJob(ctx context.Context, key ElasticKey, id string) (ImportJob, error) {
	if !isUUID(id) {
		return ImportJob{}, errNoImportJob()
	}
	canonical, _ := Ref(id).ID()
	job, err := k.store.ImportJob(ctx, key.Tenant, key.ID, canonical)
	if errors.Is(err, ErrNotFound) {
		return ImportJob{}, errNoImportJob()
	}
	if err != nil {
		return ImportJob{}, fmt.Errorf("load import job: %w", err)
	}
	return job, nil
}

// ImportJobs reads up to limit jobs of a key, the newest first, before the id given ("": from the newest), with the key they belong to.
func (k *Keyring) ImportJobs(ctx context.Context, caller Caller, ref Ref, before string, limit int) (ElasticKey, []ImportJob, error) {
	key, err := k.permitKey(ctx, caller, OpRead, ref)
	if err != nil {
		return ElasticKey{}, nil, err
	}
	jobs, err := k.store.ImportJobs(ctx, key.Tenant, key.ID, before, limit)
	if err != nil {
		return ElasticKey{}, nil, fmt.Errorf("list import jobs: %w", err)
	}
	now := k.instant()
	for i := range jobs {
		jobs[i] = jobs[i].at(now)
	}
	return key, jobs, nil
}

// at is the job as it is to be seen at a time.
func (j ImportJob) at(now time.Time) ImportJob {
	if j.Status == ImportJobOpen && !now.Before(j.ExpiresAt) {
		j.Status = ImportJobExpired
	}
	return j
}

// Binding is what the wrapping key of a job is bound to. A job whose row is given another token, key or life does not open any more.
func (j ImportJob) Binding() barrier.Binding {
	return barrier.Binding{
		Tenant: j.Tenant, Purpose: purposeImportJob, ID: j.ID,
		Attributes: []barrier.Attribute{
			{Name: "elastic_key_id", Value: j.ElasticKeyID},
			{Name: "method", Value: j.Method},
			{Name: "token", Value: j.TokenHash},
			{Name: "expires_at", Value: j.ExpiresAt.UTC().Format(time.RFC3339Nano)},
		},
	}
}

// seal wraps the job's wrapping key for its row and returns its public part.
func (j ImportJob) seal(wrapper *barrier.Wrapper, wrapping *jwk.Key) (wrapped string, public WrappingKey, err error) {
	wrapping.ID = j.ID
	private, err := wrapping.MarshalPrivate()
	if err != nil {
		return "", WrappingKey{}, fmt.Errorf("encode wrapping key: %w", err)
	}
	defer clear(private)
	if wrapped, err = wrapper.Wrap(j.Binding(), private); err != nil {
		return "", WrappingKey{}, fmt.Errorf("wrap wrapping key: %w", err)
	}
	public, err = wrappingKey(wrapping)
	return wrapped, public, err
}

// openImportJob opens a job's wrapping key. Whoever gets it zeroes it.
func (k *Keyring) openImportJob(ctx context.Context, job ImportJob) (*jwk.Key, error) {
	private, err := k.barrier.Unwrap(ctx, job.Binding(), job.WrappedKey)
	if err != nil {
		return nil, fmt.Errorf("open import job %s: %w", job.ID, err)
	}
	defer clear(private)
	key, err := jwk.Parse(private)
	if err != nil {
		return nil, fmt.Errorf("decode import job %s: %w", job.ID, err)
	}
	return key, nil
}

func wrappingKey(private *jwk.Key) (WrappingKey, error) {
	public, err := private.Public()
	if err != nil {
		return WrappingKey{}, fmt.Errorf("public part: %w", err)
	}
	encoded, err := public.MarshalPublic()
	if err != nil {
		return WrappingKey{}, fmt.Errorf("encode JWK: %w", err)
	}
	text, err := public.MarshalPEM()
	if err != nil {
		return WrappingKey{}, fmt.Errorf("encode SubjectPublicKeyInfo: %w", err)
	}
	return WrappingKey{JWK: encoded, PEM: string(text)}, nil
}

// hashImportToken is what a token is found by.
func hashImportToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func errNoImportJob() error { return problem.New("not_found", "no such import job") }
