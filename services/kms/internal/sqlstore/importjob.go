package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// jobColumns are the columns of an import job, in the order of scanJob.
const jobColumns = `tenant_id, elastic_key_id, id, token_hash, method, key_size, curve, status, attempts, wrapped_key, version,
	expires_at, created_at, updated_at`

// InsertImportJob implements keyring.ImportJobStore.
func (s *Store) InsertImportJob(ctx context.Context, job keyring.ImportJob) error {
	err := s.db.InTx(database.WithTenant(ctx, job.Tenant), func(ctx context.Context) error {
		_, err := s.db.Exec(ctx, `
			UPDATE import_jobs SET wrapped_key = '' WHERE tenant_id = $1 AND wrapped_key <> '' AND expires_at <= $2`, job.Tenant, database.Micros(job.CreatedAt))
		if err != nil {
			return err
		}
		_, err = s.db.Exec(ctx, `
			INSERT INTO import_jobs (tenant_id, elastic_key_id, id, token_hash, method, key_size, curve, status, attempts, wrapped_key, version,
				expires_at, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
			job.Tenant, job.ElasticKeyID, job.ID, job.TokenHash, job.Method, int64(job.KeySize), job.Curve, string(job.Status), job.Attempts,
			job.WrappedKey, job.Version, database.Micros(job.ExpiresAt), database.Micros(job.CreatedAt), database.Micros(job.UpdatedAt))
		return err
	})
	if err != nil {
		return fmt.Errorf("insert import job: %w", err)
	}
	return nil
}

// ImportJob implements keyring.ImportJobStore.
func (s *Store) ImportJob(ctx context.Context, tenant, elasticID, id string) (keyring.ImportJob, error) {
	job, err := scanJob(s.db.QueryRow(database.WithTenant(ctx, tenant), `
		SELECT `+jobColumns+` FROM import_jobs WHERE tenant_id = $1 AND elastic_key_id = $2 AND id = $3`, tenant, elasticID, id))
	if err != nil {
		return keyring.ImportJob{}, notFound(err)
	}
	return job, nil
}

// ImportJobByToken implements keyring.ImportJobStore.
func (s *Store) ImportJobByToken(ctx context.Context, tenant, elasticID, hash string) (keyring.ImportJob, error) {
	job, err := scanJob(s.db.QueryRow(database.WithTenant(ctx, tenant), `
		SELECT `+jobColumns+` FROM import_jobs WHERE tenant_id = $1 AND elastic_key_id = $2 AND token_hash = $3`, tenant, elasticID, hash))
	if err != nil {
		return keyring.ImportJob{}, notFound(err)
	}
	return job, nil
}

// ImportJobs implements keyring.ImportJobStore.
func (s *Store) ImportJobs(ctx context.Context, tenant, elasticID, before string, limit int) ([]keyring.ImportJob, error) {
	rows, err := s.db.Query(database.WithTenant(ctx, tenant), `
		SELECT `+jobColumns+`
		FROM import_jobs
		WHERE tenant_id = $1 AND elastic_key_id = $2 AND ($3 = '' OR id < $3)
		ORDER BY id DESC
		LIMIT $4`, tenant, elasticID, before, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("select import jobs: %w", err)
	}
	return database.Collect(rows, scanJob)
}

// TryImportJob implements keyring.ImportJobStore.
func (s *Store) TryImportJob(ctx context.Context, job keyring.ImportJob, most int64, now time.Time) (tried keyring.ImportJob, err error) {
	err = s.db.InTx(database.WithTenant(ctx, job.Tenant), func(ctx context.Context) error {
		tried, err = scanJob(s.db.QueryRow(ctx, `
			UPDATE import_jobs SET attempts = attempts + 1, updated_at = $5
			WHERE tenant_id = $1 AND elastic_key_id = $2 AND id = $3 AND status = 'open' AND attempts < $4 AND expires_at > $5
			RETURNING `+jobColumns, job.Tenant, job.ElasticKeyID, job.ID, most, database.Micros(now)))
		return err
	})
	return tried, stale("count attempt of import job", err)
}

// UseImportJob implements keyring.ImportJobStore.
func (s *Store) UseImportJob(ctx context.Context, job keyring.ImportJob, version int64, now time.Time) error {
	err := s.db.InTx(database.WithTenant(ctx, job.Tenant), func(ctx context.Context) error {
		var id string
		return s.db.QueryRow(ctx, `
			UPDATE import_jobs SET status = 'used', wrapped_key = '', version = $4, updated_at = $5
			WHERE tenant_id = $1 AND elastic_key_id = $2 AND id = $3 AND status = 'open' AND expires_at > $5
			RETURNING id`, job.Tenant, job.ElasticKeyID, job.ID, version, database.Micros(now)).Scan(&id)
	})
	return stale("use import job", err)
}

// ExhaustImportJob implements keyring.ImportJobStore.
func (s *Store) ExhaustImportJob(ctx context.Context, job keyring.ImportJob, most int64, now time.Time) error {
	_, err := s.db.Exec(database.WithTenant(ctx, job.Tenant), `
		UPDATE import_jobs SET status = 'exhausted', wrapped_key = '', updated_at = $5
		WHERE tenant_id = $1 AND elastic_key_id = $2 AND id = $3 AND status = 'open' AND attempts >= $4`,
		job.Tenant, job.ElasticKeyID, job.ID, most, database.Micros(now))
	if err != nil {
		return fmt.Errorf("exhaust import job: %w", err)
	}
	return nil
}

func scanJob(r database.Scanner) (job keyring.ImportJob, err error) {
	var size, expires, created, updated int64
	var status string
	err = r.Scan(&job.Tenant, &job.ElasticKeyID, &job.ID, &job.TokenHash, &job.Method, &size, &job.Curve, &status, &job.Attempts, &job.WrappedKey,
		&job.Version, &expires, &created, &updated)
	if err != nil {
		return keyring.ImportJob{}, fmt.Errorf("read import job: %w", err)
	}
	job.KeySize, job.Status = int(size), keyring.ImportJobStatus(status)
	job.ExpiresAt, job.CreatedAt, job.UpdatedAt = database.Time(expires), database.Time(created), database.Time(updated)
	return job, nil
}
