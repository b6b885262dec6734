// Package httpapi is the JWK Authority's HTTP interface: it decodes requests, calls package authority, and encodes what comes back. The
// contract is api/openapi.yaml; oapi-codegen writes api.gen.go from it.
package httpapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwt"
	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/page"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/jose/internal/authority"
)

// Operations implements the operations of the OpenAPI document. One file holds one resource.
type Operations struct {
	authority *authority.Authority
	cursors   *page.Cursors
	use       Use
}

// Use records the use of a key before it is answered; an error is answered instead.
type Use func(ctx context.Context, operation string, object audit.Object) error

var _ StrictServerInterface = (*Operations)(nil)

// New returns Operations.
func New(a *authority.Authority, cursors *page.Cursors, use Use) (*Operations, error) {
	if a == nil || cursors == nil || use == nil {
		return nil, errors.New("httpapi: an authority, cursors and the record of uses are required")
	}
	return &Operations{authority: a, cursors: cursors, use: use}, nil
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
	table := problem.Table{
		"unsupported_algorithm":          {Status: http.StatusBadRequest, Title: "The algorithm is not offered"},
		"invalid_jwk":                    {Status: http.StatusBadRequest, Title: "The key is not acceptable"},
		"key_mismatch":                   {Status: http.StatusBadRequest, Title: "The key does not fit what is asked of it"},
		"wrong_key_use":                  {Status: http.StatusConflict, Title: "The key is for something else"},
		"no_public_key":                  {Status: http.StatusConflict, Title: "The key has no public part"},
		"no_private_key":                 {Status: http.StatusConflict, Title: "The private part of the key is elsewhere"},
		"invalid_input":                  {Status: http.StatusBadRequest, Title: "The input does not fit"},
		"invalid_jws":                    {Status: http.StatusBadRequest, Title: "The message is malformed or refused by policy"},
		"invalid_jwe":                    {Status: http.StatusBadRequest, Title: "The message is malformed or refused by policy"},
		authority.CodeInvalidCertificate: {Status: http.StatusBadRequest, Title: "The certificate chain is not acceptable"},
		authority.CodeNoCertificate:      {Status: http.StatusConflict, Title: "The key has no valid certificate"},
		"invalid_sd_jwt":                 {Status: http.StatusBadRequest, Title: "The SD-JWT, a disclosure or the holder's proof breaks a rule"},
		"kms_refused":                    {Status: http.StatusConflict, Title: "The KMS that keeps the key refuses"},
		"not_exportable":                 {Status: http.StatusConflict, Title: "The key is not made to be exported"},
		"remote_keys_unavailable": {
			Status: http.StatusServiceUnavailable, Title: "The key set of somebody else cannot be had", RetryAfter: 10 * time.Second,
		},
		"verification_failed": {Status: http.StatusBadRequest, Title: "The signature does not verify"},
		"decryption_failed":   {Status: http.StatusBadRequest, Title: "The message does not decrypt"},
	}
	for reason, title := range refusals() {
		table["token_"+string(reason)] = problem.Kind{Status: http.StatusBadRequest, Title: title}
	}
	return table
}

// refusals are the reasons for which a token is refused.
func refusals() map[jwt.Reason]string {
	return map[jwt.Reason]string{
		jwt.Malformed: "The token is malformed", jwt.WrongAlgorithm: "The token has another algorithm", jwt.BadSignature: "The token's signature does not verify",
		jwt.DecryptionFailed: "The token does not decrypt", jwt.WrongType: "The token is of another type", jwt.MissingClaim: "The token lacks a claim",
		jwt.UnexpectedClaim: "The token has a claim that it must not have", jwt.WrongIssuer: "The token is another issuer's",
		jwt.WrongAudience: "The token is for somebody else", jwt.NotYetValid: "The token is not valid yet", jwt.Expired: "The token has expired",
		jwt.TooOld: "The token is too old", "revoked": "The token was revoked",
	}
}

// caller is the authenticated principal as the domain knows it.
func caller(ctx context.Context) (authority.Caller, error) {
	principal, ok := server.PrincipalFrom(ctx)
	if !ok {
		return authority.Caller{}, problem.New(problem.Unauthenticated, "the request carries no credential")
	}
	return authority.Caller{Tenant: principal.Tenant, Scopes: principal.Scopes}, nil
}

// about says which key a request is for: as it was asked for, until it is known which one that is.
func about(ctx context.Context, id string, version int64) {
	server.Annotate(ctx, authority.ObjectKey, id, version)
}

// used is about for an operation that is done but not answered yet.
func (h *Operations) used(ctx context.Context, operation, id string, version int64) error {
	about(ctx, id, version)
	return h.use(ctx, operation, audit.Object{Kind: authority.ObjectKey, ID: id, Version: version})
}

// usedAll is used for each of the keys that an operation is done with. One without an id is none of ours.
func (h *Operations) usedAll(ctx context.Context, operation string, keys []authority.Used) error {
	for _, key := range slices.Backward(keys) { // the request is about the first
		if key.KeyID == "" {
			continue
		}
		if err := h.used(ctx, operation, key.KeyID, key.Version); err != nil {
			return err
		}
	}
	return nil
}
