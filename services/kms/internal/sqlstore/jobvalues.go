package sqlstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/rewrap"
)

// JobValues are the wrapping keys of import jobs, which are wrapped anew when the barrier's keys change.
type JobValues struct {
	store   *Store
	tenants tenants
}

var _ rewrap.Source = (*JobValues)(nil)

// NewJobValues returns the store's wrapping keys.
func NewJobValues(store *Store, list func(ctx context.Context, after string, limit int) ([]string, error)) *JobValues {
	return &JobValues{store: store, tenants: list}
}

// Name implements rewrap.Source.
func (*JobValues) Name() string { return "kms/import-jobs" }

// Next implements rewrap.Source. A position is tenant and id.
func (v *JobValues) Next(ctx context.Context, after string, limit int) ([]rewrap.Item, error) {
	first, id, _ := strings.Cut(after, "/")
	return v.tenants.from(ctx, first, func(tenant string) ([]rewrap.Item, error) {
		if tenant != first {
			id = ""
		}
		rows, err := v.store.db.Query(database.WithTenant(ctx, tenant), `
			SELECT `+jobColumns+`
			FROM import_jobs
			WHERE tenant_id = $1 AND id > $2 AND wrapped_key <> ''
			ORDER BY id
			LIMIT $3`, tenant, id, int64(limit))
		if err != nil {
			return nil, fmt.Errorf("list wrapping keys: %w", err)
		}
		return database.Collect(rows, jobItem)
	})
}

func jobItem(r database.Scanner) (rewrap.Item, error) {
	job, err := scanJob(r)
	if err != nil {
		return rewrap.Item{}, err
	}
	return rewrap.Item{Position: job.Tenant + "/" + job.ID, Binding: job.Binding(), JWE: job.WrappedKey}, nil
}

// Replace implements rewrap.Source.
func (v *JobValues) Replace(ctx context.Context, item rewrap.Item, jwe string) (bool, error) {
	result, err := v.store.db.Exec(database.WithTenant(ctx, item.Binding.Tenant), `
		UPDATE import_jobs SET wrapped_key = $4 WHERE tenant_id = $1 AND id = $2 AND wrapped_key = $3`,
		item.Binding.Tenant, item.Binding.ID, item.JWE, jwe)
	if err != nil {
		return false, fmt.Errorf("replace wrapping key: %w", err)
	}
	n, err := result.RowsAffected()
	return n == 1, err
}
