package admin

import (
	"context"
	"encoding/base64"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/directory"
	"github.com/cryptoutil/cryptoutil/libs/auth/internal/adminapi"
	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/etag"
	"github.com/cryptoutil/cryptoutil/libs/server/mergepatch"
	"github.com/cryptoutil/cryptoutil/libs/server/page"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// defaultOverlap is how long an old secret goes on when nothing is said.
const defaultOverlap = 24 * time.Hour

// CreateClient implements POST /clients.
func (o *Operations) CreateClient(ctx context.Context, request adminapi.CreateClientRequestObject) (adminapi.CreateClientResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	b := request.Body
	expires, err := o.future(b.ExpiresAt)
	if err != nil {
		return nil, err
	}
	ask := directory.Client{
		Name: b.Name, Description: apivalue.Of(b.Description), Scopes: b.Scopes, Certificates: apivalue.Each(apivalue.Of(b.Certificates), certificate),
		Disabled: apivalue.Of(b.Disabled), ExpiresAt: expires,
	}
	if err := checkClient(ask); err != nil {
		return nil, err
	}
	made, secret, err := o.dir.CreateClient(ctx, by, ask, apivalue.Of(b.WithoutSecret))
	if err != nil {
		return nil, err
	}
	plain := client(made)
	answer := adminapi.ClientWithSecret{
		Id: plain.Id, Name: plain.Name, Description: plain.Description, Scopes: plain.Scopes, Certificates: plain.Certificates,
		Disabled: plain.Disabled, ExpiresAt: plain.ExpiresAt, Version: plain.Version, CreatedAt: plain.CreatedAt, UpdatedAt: plain.UpdatedAt,
	}
	if !apivalue.Of(b.WithoutSecret) {
		answer.Secret = apivalue.Optional(secret.Text())
	}
	return adminapi.CreateClient201JSONResponse{Body: answer, Headers: adminapi.CreateClient201ResponseHeaders{
		ETag: apivalue.Optional(etag.Of(made.Version)), Location: apivalue.Optional("clients/" + made.ID),
	}}, nil
}

// checkName finds names that would be taken for ids.
func checkName(name string) error {
	if _, err := uuid.Parse(name); err == nil {
		return problem.New(problem.ValidationFailed, "the body does not fit the operation").
			With(problem.Field{Pointer: "/name", Detail: "must not be shaped like a UUID"})
	}
	return nil
}

// checkClient finds what the schema cannot.
func checkClient(c directory.Client) error {
	for i, name := range c.Certificates {
		sum, err := base64.RawURLEncoding.Strict().DecodeString(name.Value)
		if name.Kind == auth.CertificateThumbprint && (err != nil || len(sum) != 32) {
			return problem.New(problem.ValidationFailed, "the body does not fit the operation").With(problem.Field{
				Pointer: problem.Pointer("certificates", strconv.Itoa(i), "value"), Detail: "must be the unpadded base64url SHA-256 of a certificate",
			})
		}
	}
	return checkName(c.Name)
}

// ListClients implements GET /clients.
func (o *Operations) ListClients(ctx context.Context, request adminapi.ListClientsRequestObject) (adminapi.ListClientsResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	name := apivalue.Of(request.Params.Name)
	of := page.List{Tenant: by.Tenant, Name: "clients", Sort: "id", Filter: []string{name}}
	items, next, err := page.Read(o.cfg.Cursors, of, request.Params.Limit, request.Params.Cursor, func(after string, limit int) ([]directory.Client, error) {
		return o.dir.Clients(ctx, by.Tenant, name, after, limit)
	}, func(c directory.Client) string { return c.ID })
	if err != nil {
		return nil, err
	}
	return adminapi.ListClients200JSONResponse{Items: apivalue.Each(items, client), NextCursor: next}, nil
}

// GetClient implements GET /clients/{id}.
func (o *Operations) GetClient(ctx context.Context, request adminapi.GetClientRequestObject) (adminapi.GetClientResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	found, err := o.dir.Client(ctx, by.Tenant, request.Id)
	if err != nil {
		return nil, err
	}
	return adminapi.GetClient200JSONResponse{Body: client(found), Headers: adminapi.GetClient200ResponseHeaders{ETag: apivalue.Optional(etag.Of(found.Version))}}, nil
}

// writableClient is what a patch can change.
type writableClient struct {
	Name         string                     `json:"name"`
	Description  *string                    `json:"description,omitempty"`
	Scopes       []string                   `json:"scopes"`
	Certificates []adminapi.CertificateName `json:"certificates,omitempty"`
	Disabled     bool                       `json:"disabled"`
	ExpiresAt    *time.Time                 `json:"expires_at,omitempty"`
}

// UpdateClient implements PATCH /clients/{id}.
func (o *Operations) UpdateClient(ctx context.Context, request adminapi.UpdateClientRequestObject) (adminapi.UpdateClientResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	version, err := etag.Version(apivalue.Of(request.Params.IfMatch))
	if err != nil {
		return nil, err
	}
	changed, err := o.dir.UpdateClient(ctx, by, request.Id, version, func(c *directory.Client) error {
		want, err := mergepatch.Apply(writableClient{
			Name: c.Name, Description: apivalue.Optional(c.Description), Scopes: c.Scopes, Certificates: apivalue.Each(c.Certificates, certificateName),
			Disabled: c.Disabled, ExpiresAt: moment(c.ExpiresAt),
		}, *request.Body)
		if err != nil {
			return err
		}
		c.Name, c.Description, c.Scopes, c.Disabled = want.Name, apivalue.Of(want.Description), want.Scopes, want.Disabled
		c.Certificates = apivalue.Each(want.Certificates, certificate)
		if c.ExpiresAt, err = o.end(c.ExpiresAt, want.ExpiresAt); err != nil {
			return err
		}
		return checkClient(*c)
	})
	if err != nil {
		return nil, err
	}
	return adminapi.UpdateClient200JSONResponse{Body: client(changed), Headers: adminapi.UpdateClient200ResponseHeaders{ETag: apivalue.Optional(etag.Of(changed.Version))}}, nil
}

// DeleteClient implements DELETE /clients/{id}.
func (o *Operations) DeleteClient(ctx context.Context, request adminapi.DeleteClientRequestObject) (adminapi.DeleteClientResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	return adminapi.DeleteClient204Response{}, o.dir.DeleteClient(ctx, by, request.Id)
}

// RotateClientSecret implements POST /clients/{id}/rotate-secret.
func (o *Operations) RotateClientSecret(ctx context.Context, request adminapi.RotateClientSecretRequestObject) (adminapi.RotateClientSecretResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	overlap := defaultOverlap
	if request.Body != nil && request.Body.OverlapSeconds != nil {
		overlap = time.Duration(*request.Body.OverlapSeconds) * time.Second
	}
	c, secret, end, err := o.dir.RotateSecret(ctx, by, request.Id, overlap)
	if err != nil {
		return nil, err
	}
	return adminapi.RotateClientSecret201JSONResponse{ClientId: c.ID, Secret: secret.Text(), PreviousExpiresAt: apivalue.Timestamp(end)}, nil
}

func certificate(name adminapi.CertificateName) auth.CertificateName {
	return auth.CertificateName{Kind: string(name.Kind), Value: name.Value}
}

func certificateName(name auth.CertificateName) adminapi.CertificateName {
	return adminapi.CertificateName{Kind: adminapi.CertificateNameKind(name.Kind), Value: name.Value}
}

func client(c directory.Client) adminapi.Client {
	out := adminapi.Client{
		Id: c.ID, Name: c.Name, Description: c.Description, Scopes: append([]string{}, c.Scopes...), Disabled: c.Disabled,
		ExpiresAt: apivalue.OptionalTimestamp(c.ExpiresAt), Version: c.Version, CreatedAt: apivalue.Timestamp(c.CreatedAt), UpdatedAt: apivalue.Timestamp(c.UpdatedAt),
	}
	if len(c.Certificates) > 0 {
		names := apivalue.Each(c.Certificates, certificateName)
		out.Certificates = &names
	}
	return out
}
