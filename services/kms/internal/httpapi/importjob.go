package httpapi

import (
	"context"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/page"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// CreateImportJob implements POST /elastic-keys/{id}/import-jobs.
func (h *Operations) CreateImportJob(ctx context.Context, request CreateImportJobRequestObject) (CreateImportJobResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	job, public, token, err := h.keys.CreateImportJob(ctx, who, keyring.Ref(request.Id), keyring.NewImportJob{
		Method: string(request.Body.Wrapping), KeySize: int(apivalue.Of(request.Body.KeySize)), Curve: string(apivalue.Of(request.Body.Curve)),
	})
	if err != nil {
		return nil, err
	}
	about(ctx, job.ElasticKeyID, 0)
	body := importJob(job)
	body.Token, body.PublicKey = &token, wrappingKey(public)
	return CreateImportJob201JSONResponse{
		Body: body,
		// Relative to /elastic-keys/{id}/import-jobs (RFC 9110 section 10.2.2).
		Headers: CreateImportJob201ResponseHeaders{Location: apivalue.Optional("import-jobs/" + job.ID)},
	}, nil
}

// ListImportJobs implements GET /elastic-keys/{id}/import-jobs.
func (h *Operations) ListImportJobs(ctx context.Context, request ListImportJobsRequestObject) (ListImportJobsResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	// The list is the key's, however the path calls it.
	key, err := h.keys.Get(ctx, who, keyring.Ref(request.Id))
	if err != nil {
		return nil, err
	}
	list := page.List{Tenant: who.Tenant, Name: "import-jobs", Sort: "-id", Filter: []string{key.ID}}
	jobs, next, err := page.Read(h.cursors, list, request.Params.Limit, request.Params.Cursor, func(after string, limit int) ([]keyring.ImportJob, error) {
		_, jobs, err := h.keys.ImportJobs(ctx, who, keyring.Ref(key.ID), after, limit)
		return jobs, err
	}, func(j keyring.ImportJob) string { return j.ID })
	if err != nil {
		return nil, err
	}
	return ListImportJobs200JSONResponse{Items: apivalue.Each(jobs, importJob), NextCursor: next}, nil
}

// GetImportJob implements GET /elastic-keys/{id}/import-jobs/{job}.
func (h *Operations) GetImportJob(ctx context.Context, request GetImportJobRequestObject) (GetImportJobResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	job, public, err := h.keys.ImportJob(ctx, who, keyring.Ref(request.Id), request.Job)
	if err != nil {
		return nil, err
	}
	answer := importJob(job)
	if public.JWK != nil {
		answer.PublicKey = wrappingKey(public)
	}
	return GetImportJob200JSONResponse(answer), nil
}

func importJob(job keyring.ImportJob) ImportJob {
	return ImportJob{
		Id:           job.ID,
		ElasticKeyId: job.ElasticKeyID,
		Wrapping:     WrappingMethod(job.Method),
		KeySize:      apivalue.Optional(job.KeySize),
		Curve:        apivalue.Optional(job.Curve),
		Status:       ImportJobStatus(job.Status),
		Attempts:     job.Attempts,
		Version:      apivalue.Optional(job.Version),
		ExpiresAt:    apivalue.Timestamp(job.ExpiresAt),
		CreatedAt:    apivalue.Timestamp(job.CreatedAt),
	}
}

func wrappingKey(public keyring.WrappingKey) *WrappingKey {
	return &WrappingKey{Jwk: public.JWK, Pem: public.PEM}
}
