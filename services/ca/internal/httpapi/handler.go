// Package httpapi is the certification authority's HTTP interface: it decodes requests, calls the packages of the domain, and encodes what comes
// back. The contract is api/openapi.yaml; oapi-codegen writes api.gen.go from it.
package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/page"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/access"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/hierarchy"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/issuance"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/revocation"
)

// Config is what Operations need; everything but Enrolment is required.
type Config struct {
	Hierarchy *hierarchy.Hierarchy
	Issuer    *issuance.Issuer
	Registry  *revocation.Registry
	Publisher *revocation.Publisher
	Lists     *revocation.Lists
	Profiles  Profiles
	// Enrolment is nil where there is no ACME.
	Enrolment Enrolment
	Cursors   *page.Cursors
	// Now is the clock.
	Now func() time.Time
}

// Operations implements the operations of the OpenAPI document. One file holds one resource.
type Operations struct {
	hierarchy *hierarchy.Hierarchy
	issuer    *issuance.Issuer
	registry  *revocation.Registry
	publisher *revocation.Publisher
	lists     *revocation.Lists
	profiles  Profiles
	enrolment Enrolment
	cursors   *page.Cursors
	now       func() time.Time
}

var _ StrictServerInterface = (*Operations)(nil)

// New returns Operations.
func New(cfg Config) (*Operations, error) {
	if cfg.Hierarchy == nil || cfg.Issuer == nil || cfg.Registry == nil || cfg.Publisher == nil || cfg.Lists == nil || cfg.Profiles == nil || cfg.Cursors == nil || cfg.Now == nil {
		return nil, errors.New("httpapi: Hierarchy, Issuer, Registry, Publisher, Lists, Profiles, Cursors and Now are required")
	}
	return &Operations{
		hierarchy: cfg.Hierarchy, issuer: cfg.Issuer, registry: cfg.Registry, publisher: cfg.Publisher, lists: cfg.Lists,
		profiles: cfg.Profiles, enrolment: cfg.Enrolment, cursors: cfg.Cursors, now: cfg.Now,
	}, nil
}

// Mount registers the operations.
func (h *Operations) Mount(r chi.Router, errs server.ErrorHandlers) {
	strict := NewStrictHandlerWithOptions(h, nil, StrictHTTPServerOptions{
		RequestErrorHandlerFunc:  errs.Request,
		ResponseErrorHandlerFunc: errs.Response,
	})
	HandlerWithOptions(strict, ChiServerOptions{BaseRouter: r, ErrorHandlerFunc: errs.Request})
}

// Codes are the service's own problem codes.
func Codes() problem.Table {
	return problem.Table{
		"unsupported_algorithm": {Status: http.StatusBadRequest, Title: "The algorithm is not offered"},
		"bad_csr":               {Status: http.StatusBadRequest, Title: "The certificate request is not acceptable"},
		"bad_public_key":        {Status: http.StatusBadRequest, Title: "The public key is not acceptable"},
		"invalid_certificate":   {Status: http.StatusBadRequest, Title: "A certificate is not acceptable"},
		"key_mismatch":          {Status: http.StatusBadRequest, Title: "The key, or the name, is another one's"},
		"wrong_profile":         {Status: http.StatusConflict, Title: "The profile does not fit the certification authority"},
		"profile_refused":       {Status: http.StatusBadRequest, Title: "The profile does not allow what was asked for"},
		"rules_violated":        {Status: http.StatusBadRequest, Title: "The certificate would break rules"},
		"not_validated":         {Status: http.StatusConflict, Title: "The names were not proved"},
		"no_ca":                 {Status: http.StatusConflict, Title: "No certification authority issues by the profile"},
		"bad_reason":            {Status: http.StatusBadRequest, Title: "The reason is not one that the family allows"},
		"already_revoked":       {Status: http.StatusConflict, Title: "The certificate is revoked already"},
		"ca_offline":            {Status: http.StatusConflict, Title: "The key of the certification authority is elsewhere"},
	}
}

// caller is the authenticated principal as the domain knows it.
func caller(ctx context.Context) (access.Caller, error) {
	principal, ok := server.PrincipalFrom(ctx)
	if !ok {
		return access.Caller{}, problem.New(problem.Unauthenticated, "the request carries no credential")
	}
	return access.Caller{Tenant: principal.Tenant, ID: principal.Kind + ":" + principal.ID, Scopes: principal.Scopes, Roles: principal.Roles}, nil
}

// aboutCA says which CA a request is for: as it was asked for, until it is known which one that is.
func aboutCA(ctx context.Context, id string) { server.Annotate(ctx, hierarchy.ObjectCA, id, 0) }

// aboutCertificate says which certificate a request is for.
func aboutCertificate(ctx context.Context, serial string) {
	server.Annotate(ctx, issuance.ObjectCertificate, serial, 0)
}
