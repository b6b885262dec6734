package keyring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// tryImportJob finds the job of a token and counts an attempt with it. A token of another key, or of nobody, is one that does not exist.
func (k *Keyring) tryImportJob(ctx context.Context, key ElasticKey, token string) (ImportJob, error) {
	job, err := k.store.ImportJobByToken(ctx, key.Tenant, key.ID, hashImportToken(token))
	if errors.Is(err, ErrNotFound) {
		return ImportJob{}, errNoImportJob()
	}
	if err != nil {
		return ImportJob{}, fmt.Errorf("load import job: %w", err)
	}
	if err := job.over(k.instant()); err != nil {
		return ImportJob{}, err
	}
	tried, err := k.store.TryImportJob(ctx, job, MaxImportAttempts, k.instant())
	if errors.Is(err, ErrStale) {
		return ImportJob{}, k.overMeanwhile(ctx, job)
	}
	if err != nil {
		return ImportJob{}, fmt.Errorf("count attempt: %w", err)
	}
	return tried, nil
}

// over is the refusal of a job that serves no import (any more); nil for one that does.
func (j ImportJob) over(now time.Time) error {
	switch j.at(now).Status {
	case ImportJobUsed:
		return problem.New("import_job_used", "the import job has made version %d; create another one", j.Version)
	case ImportJobExhausted:
		return errExhausted()
	case ImportJobExpired:
		return problem.New("import_job_expired", "the import job lived for %d hours; create another one", ImportJobLife/time.Hour)
	case ImportJobOpen:
		if j.Attempts >= MaxImportAttempts {
			return errExhausted()
		}
	}
	return nil
}

// overMeanwhile is over for a job that has changed since it was read.
func (k *Keyring) overMeanwhile(ctx context.Context, job ImportJob) error {
	job, err := k.store.ImportJob(ctx, job.Tenant, job.ElasticKeyID, job.ID)
	if err != nil {
		return fmt.Errorf("load import job: %w", err)
	}
	if err := job.over(k.instant()); err != nil {
		return err
	}
	return errConflict()
}

// refuseImport ends an import whose material was refused: the job, if it has had all its attempts, and the hope of a key that awaits its first
// import. What is no refusal of material, but a failure of ours, changes nothing.
func (k *Keyring) refuseImport(ctx context.Context, key ElasticKey, job ImportJob, refusal error) error {
	if !refusesMaterial(refusal) {
		return refusal
	}
	if job.Attempts >= MaxImportAttempts {
		if err := k.store.ExhaustImportJob(ctx, job, MaxImportAttempts, k.instant()); err != nil {
			return fmt.Errorf("end import job: %w", err)
		}
	}
	if !elasticNotImported().Allows(key.Status) {
		return refusal
	}
	if _, err := k.moveKey(ctx, key, elasticNotImported(), time.Time{}); err != nil && !errors.Is(err, ErrStale) {
		return err
	}
	return refusal
}

// refusesMaterial tells a refusal of what was brought from other errors.
func refusesMaterial(err error) bool {
	var coded problem.Coded
	if !errors.As(err, &coded) {
		return false
	}
	switch coded.ErrorCode() {
	case "import_wrong_key", "import_malformed", "import_mismatch", "import_weak", "import_other_material":
		return true
	default:
		return false
	}
}

// lostImport says why an import that was good came too late: the decision is made again, on what is there now.
func (k *Keyring) lostImport(ctx context.Context, caller Caller, ref Ref, job ImportJob, ask Import) error {
	if job.ID != "" {
		if err := k.overMeanwhile(ctx, job); !isConflict(err) {
			return err
		}
	}
	key, err := k.permitKey(ctx, caller, OpImport, ref)
	if err != nil {
		return err
	}
	if _, err := k.importTarget(ctx, key, ask); err != nil {
		return err
	}
	return errConflict()
}

func isConflict(err error) bool {
	var coded problem.Coded
	return errors.As(err, &coded) && coded.ErrorCode() == "conflict"
}

func errExhausted() error {
	return problem.New("import_job_exhausted", "the import job has had %d attempts; create another one", MaxImportAttempts)
}
