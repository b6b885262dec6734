// Package httpapi is the KMS's HTTP interface: it decodes requests, calls package keyring, and encodes what comes back. The contract is
// api/openapi.yaml; oapi-codegen writes api.gen.go from it.
package httpapi

import (
	"context"
	"errors"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/page"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// Operations implements the operations of the OpenAPI document. One file holds one resource.
type Operations struct {
	keys    *keyring.Keyring
	cursors *page.Cursors
	use     Use
	useAll  UseAll
}

// Use records the use of a key before it is answered; an error is answered instead.
type Use func(ctx context.Context, operation string, object audit.Object) error

var _ StrictServerInterface = (*Operations)(nil)

// New returns Operations.
func New(keys *keyring.Keyring, cursors *page.Cursors, use Use, useAll UseAll) (*Operations, error) {
	if keys == nil || cursors == nil || use == nil || useAll == nil {
		return nil, errors.New("httpapi: a keyring, cursors and the record of uses are required")
	}
	return &Operations{keys: keys, cursors: cursors, use: use, useAll: useAll}, nil
}

// Mount registers the operations.
func (h *Operations) Mount(r chi.Router, errs server.ErrorHandlers) {
	strict := NewStrictHandlerWithOptions(h, nil, StrictHTTPServerOptions{
		RequestErrorHandlerFunc:  errs.Request,
		ResponseErrorHandlerFunc: errs.Response,
	})
	HandlerWithOptions(strict, ChiServerOptions{BaseRouter: r, ErrorHandlerFunc: errs.Request})
	mount(h, r, errs, h.encrypt())
	mount(h, r, errs, h.decrypt())
	mount(h, r, errs, h.reencrypt())
	mount(h, r, errs, h.sign())
	mount(h, r, errs, h.verify())
	mount(h, r, errs, h.mac())
	mount(h, r, errs, h.verifyMAC())
	mount(h, r, errs, h.generateDataKey())
	mount(h, r, errs, h.wrap())
	mount(h, r, errs, h.unwrap())
	mount(h, r, errs, h.generate())
	mount(h, r, errs, h.derive())
	mount(h, r, errs, h.encapsulate())
	mount(h, r, errs, h.decapsulate())
	mount(h, r, errs, h.generateRandom())
}

// Codes are the KMS's own problem codes.
func Codes() problem.Table {
	return problem.Table{
		"unsupported_algorithm": {Status: http.StatusBadRequest, Title: "The algorithm is not offered"},
		"invalid_input":         {Status: http.StatusBadRequest, Title: "The algorithm does not take this input"},
		"policy_refused":        {Status: http.StatusForbidden, Title: "The key's policy refuses it"},
		"version_compromised":   {Status: http.StatusConflict, Title: "The version is compromised"},
		"version_below_minimum": {Status: http.StatusConflict, Title: "The version is below the key's minimum"},
		"usage_limit_reached":   {Status: http.StatusConflict, Title: "The version has had all its uses"},
		"wrong_key_use":         {Status: http.StatusConflict, Title: "The key is for something else"},
		"invalid_jwk":           {Status: http.StatusBadRequest, Title: "The JWK is not sound"},
		"key_mismatch":          {Status: http.StatusBadRequest, Title: "The key does not fit"},
		"no_public_key":         {Status: http.StatusConflict, Title: "The key has no public part"},
		"import_wrong_key":      {Status: http.StatusBadRequest, Title: "The material does not open"},
		"import_malformed":      {Status: http.StatusBadRequest, Title: "The material cannot be read"},
		"import_mismatch":       {Status: http.StatusBadRequest, Title: "The material is not what the key's algorithm needs"},
		"import_weak":           {Status: http.StatusBadRequest, Title: "The material is weak"},
		"import_other_material": {Status: http.StatusConflict, Title: "The version had other material"},
		"import_job_used":       {Status: http.StatusConflict, Title: "The import job is used"},
		"import_job_expired":    {Status: http.StatusConflict, Title: "The import job has expired"},
		"import_job_exhausted":  {Status: http.StatusConflict, Title: "The import job has had all its attempts"},
		"not_exportable":        {Status: http.StatusForbidden, Title: "The key does not leave"},
		"invalid_recipient":     {Status: http.StatusBadRequest, Title: "The recipient's key is not fit"},
		"no_private_key":        {Status: http.StatusConflict, Title: "The version is a public key alone"},
		"invalid_backup":        {Status: http.StatusBadRequest, Title: "The backup cannot be restored"},
		"integrity_failed":      {Status: http.StatusInternalServerError, Title: "What is stored of the key was changed"},
		"decryption_failed":     {Status: http.StatusBadRequest, Title: "The ciphertext does not decrypt"},
	}
}

// caller is the authenticated principal as the domain knows it.
func caller(ctx context.Context) (keyring.Caller, error) {
	principal, ok := server.PrincipalFrom(ctx)
	if !ok {
		return keyring.Caller{}, problem.New(problem.Unauthenticated, "the request carries no credential")
	}
	return CallerOf(principal), nil
}

// CallerOf is a principal as the domain knows it.
func CallerOf(principal *server.Principal) keyring.Caller {
	return keyring.Caller{Tenant: principal.Tenant, Kind: principal.Kind, ID: principal.ID, Scopes: principal.Scopes, Roles: principal.Roles}
}

// objectKey is the kind of object that requests about keys have in the audit trail.
const objectKey = "elastic-key"

// about says which key a request is for: as it was asked for, until it is known which one that is.
func about(ctx context.Context, id string, version int64) {
	server.Annotate(ctx, objectKey, id, version)
}

// used is about for an operation that is done but not answered yet.
func (h *Operations) used(ctx context.Context, operation, id string, version int64) error {
	about(ctx, id, version)
	return h.use(ctx, operation, audit.Object{Kind: objectKey, ID: id, Version: version})
}
