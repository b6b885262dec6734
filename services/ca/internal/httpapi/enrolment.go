package httpapi

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/naming"
	"github.com/cryptoutil/cryptoutil/libs/server/page"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/access"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/acme"
)

// Enrolment is what managers do about automatic clients; acme.Server does it.
type Enrolment interface {
	CreateExternalKey(ctx context.Context, tenant, directory, label string, lifetime time.Duration) (acme.ExternalKey, []byte, error)
	ExternalKeys(ctx context.Context, tenant, after string, limit int) ([]acme.ExternalKey, error)
	ExternalKey(ctx context.Context, tenant, id string) (acme.ExternalKey, error)
	RevokeExternalKey(ctx context.Context, tenant, id string) error
	RevokeAccount(ctx context.Context, tenant, id string) error
}

// enrolling is the caller, who may manage automatic clients where there are any.
func (h *Operations) enrolling(ctx context.Context) (access.Caller, error) {
	who, err := caller(ctx)
	if err != nil {
		return who, err
	}
	if err := access.Decide(who, access.Enrol); err != nil {
		return who, err
	}
	if h.enrolment == nil {
		return who, problem.New(problem.FeatureDisabled, "there is no ACME: whoever runs the service names a resolver in acme.resolver")
	}
	return who, nil
}

// CreateExternalKey implements POST /acme/external-keys.
func (h *Operations) CreateExternalKey(ctx context.Context, r CreateExternalKeyRequestObject) (CreateExternalKeyResponseObject, error) {
	who, err := h.enrolling(ctx)
	if err != nil {
		return nil, err
	}
	b := r.Body
	if label := apivalue.Of(b.Label); !naming.Storable(label) {
		return nil, apivalue.Invalid("/label", "is UTF-8 without U+0000")
	}
	key, secret, err := h.enrolment.CreateExternalKey(ctx, who.Tenant, apivalue.Of(b.Directory), apivalue.Of(b.Label), time.Duration(apivalue.Of(b.LifetimeSeconds))*time.Second)
	if err != nil {
		return nil, asEnrolment(err)
	}
	defer clear(secret)
	server.Annotate(ctx, acme.ObjectExternalKey, key.ID, 0)
	shown := externalKeyOf(key)
	shown.Secret = apivalue.Optional(apivalue.Encode(secret))
	return CreateExternalKey201JSONResponse{Body: shown, Headers: CreateExternalKey201ResponseHeaders{
		Location: apivalue.Optional("external-keys/" + key.ID), // relative to /acme/external-keys
	}}, nil
}

// ListExternalKeys implements GET /acme/external-keys.
func (h *Operations) ListExternalKeys(ctx context.Context, r ListExternalKeysRequestObject) (ListExternalKeysResponseObject, error) {
	who, err := h.enrolling(ctx)
	if err != nil {
		return nil, err
	}
	list := page.List{Tenant: who.Tenant, Name: "external-keys", Sort: "id"}
	keys, cursor, err := page.Read(h.cursors, list, r.Params.Limit, r.Params.Cursor, func(after string, limit int) ([]acme.ExternalKey, error) {
		return h.enrolment.ExternalKeys(ctx, who.Tenant, after, limit)
	}, func(k acme.ExternalKey) string { return k.ID })
	return ListExternalKeys200JSONResponse{Items: apivalue.Each(keys, externalKeyOf), NextCursor: cursor}, err
}

// GetExternalKey implements GET /acme/external-keys/{id}.
func (h *Operations) GetExternalKey(ctx context.Context, r GetExternalKeyRequestObject) (GetExternalKeyResponseObject, error) {
	who, err := h.enrolling(ctx)
	if err != nil {
		return nil, err
	}
	server.Annotate(ctx, acme.ObjectExternalKey, r.Id, 0)
	if uuid.Validate(r.Id) != nil {
		return nil, asEnrolment(acme.ErrNotFound)
	}
	key, err := h.enrolment.ExternalKey(ctx, who.Tenant, r.Id)
	if err != nil {
		return nil, asEnrolment(err)
	}
	return GetExternalKey200JSONResponse(externalKeyOf(key)), nil
}

// RevokeExternalKey implements DELETE /acme/external-keys/{id}.
func (h *Operations) RevokeExternalKey(ctx context.Context, r RevokeExternalKeyRequestObject) (RevokeExternalKeyResponseObject, error) {
	who, err := h.enrolling(ctx)
	if err != nil {
		return nil, err
	}
	server.Annotate(ctx, acme.ObjectExternalKey, r.Id, 0)
	if uuid.Validate(r.Id) != nil {
		return nil, asEnrolment(acme.ErrNotFound)
	}
	if err := h.enrolment.RevokeExternalKey(ctx, who.Tenant, r.Id); err != nil {
		return nil, asEnrolment(err)
	}
	return RevokeExternalKey204Response{}, nil
}

// RevokeAccount implements POST /acme/accounts/{id}/revoke.
func (h *Operations) RevokeAccount(ctx context.Context, r RevokeAccountRequestObject) (RevokeAccountResponseObject, error) {
	who, err := h.enrolling(ctx)
	if err != nil {
		return nil, err
	}
	server.Annotate(ctx, acme.ObjectAccount, r.Id, 0)
	if uuid.Validate(r.Id) != nil {
		return nil, asEnrolment(acme.ErrNotFound)
	}
	if err := h.enrolment.RevokeAccount(ctx, who.Tenant, r.Id); err != nil {
		return nil, asEnrolment(err)
	}
	return RevokeAccount204Response{}, nil
}

// asEnrolment makes the errors of ACME those of the API.
func asEnrolment(err error) error {
	var refused *acme.Error
	switch {
	case errors.Is(err, acme.ErrNotFound):
		return problem.New(problem.NotFound, "no such directory, key or account")
	case errors.Is(err, acme.ErrStale):
		return problem.New(problem.InvalidState, "it is revoked already, or was changed meanwhile")
	case errors.As(err, &refused):
		return problem.New(problem.ValidationFailed, "%s", refused.Detail)
	}
	return err
}

// externalKeyOf encodes a key without its secret.
func externalKeyOf(k acme.ExternalKey) ExternalKey {
	return ExternalKey{
		Id: k.ID, Directory: apivalue.Optional(k.Directory), Label: apivalue.Optional(k.Label), Account: apivalue.Optional(k.Account),
		CreatedAt: apivalue.Timestamp(k.CreatedAt), ExpiresAt: apivalue.OptionalTimestamp(k.ExpiresAt), BoundAt: apivalue.OptionalTimestamp(k.BoundAt),
		RevokedAt: apivalue.OptionalTimestamp(k.RevokedAt),
	}
}
