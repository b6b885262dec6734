package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
)

// CreateImportJob makes a wrapping key for one import. The token in the answer is told
// this once.
func (k *KMS) CreateImportJob(ctx context.Context, key string, spec CreateImportJob) (*ImportJob, error) {
	once := apiclient.IdempotencyKey()
	return onKey[ImportJob](ctx, k, "create import job of", key, func(ctx context.Context) (*http.Response, error) {
		return k.api.CreateImportJob(ctx, key, &CreateImportJobParams{IdempotencyKey: &once}, spec)
	})
}

// GetImportJob returns an import job of the key, with the wrapping key while it is open.
func (k *KMS) GetImportJob(ctx context.Context, key, job string) (*ImportJob, error) {
	if apiclient.CheckRef(job) != nil {
		return nil, fmt.Errorf("%q is no id of an import job", job)
	}
	return onKey[ImportJob](ctx, k, "get import job of", key, func(ctx context.Context) (*http.Response, error) {
		return k.api.GetImportJob(ctx, key, job)
	})
}

// ListImportJobs yields the import jobs of the key, the newest first. It ends after the
// first error.
func (k *KMS) ListImportJobs(ctx context.Context, key string) iter.Seq2[ImportJob, error] {
	params := ListImportJobsParams{Limit: new(apiclient.PageSize)}
	return apiclient.Pages(func(cursor *string) ([]ImportJob, *string, error) {
		params.Cursor = cursor
		page, err := onKey[ImportJobPage](ctx, k, "list import jobs of", key, func(ctx context.Context) (*http.Response, error) {
			return k.api.ListImportJobs(ctx, key, &params)
		})
		if err != nil {
			return nil, nil, err
		}
		return page.Items, page.NextCursor, nil
	})
}

// Import makes a version of wrapped material, or of a public key alone.
func (k *KMS) Import(ctx context.Context, key string, spec ImportKey) (*MaterialKey, error) {
	once := apiclient.IdempotencyKey()
	return onKey[MaterialKey](ctx, k, "import into", key, func(ctx context.Context) (*http.Response, error) {
		return k.api.ImportKey(ctx, key, &ImportKeyParams{IdempotencyKey: &once}, spec)
	})
}
