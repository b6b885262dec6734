package httpapi

import (
	"context"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/etag"
	"github.com/cryptoutil/cryptoutil/libs/server/mergepatch"
	"github.com/cryptoutil/cryptoutil/libs/server/page"

	"github.com/cryptoutil/cryptoutil/services/jose/internal/authority"
)

// CreateProfile implements POST /profiles.
func (h *Operations) CreateProfile(ctx context.Context, request CreateProfileRequestObject) (CreateProfileResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	b := request.Body
	skew := authority.DefaultClockSkew
	if b.ClockSkewSeconds != nil {
		skew = seconds(*b.ClockSkewSeconds)
	}
	made, err := h.authority.CreateProfile(ctx, who, authority.Profile{
		Name: b.Name, Description: apivalue.Of(b.Description), KeyID: apivalue.Of(b.Key),
		TokenPolicy: authority.TokenPolicy{
			Type: apivalue.Of(b.Typ), EdDSA: apivalue.Of(b.Eddsa), CertificateChain: apivalue.Of(b.CertificateChain), Issuer: b.Issuer, Audience: b.Audience, Lifetime: seconds(apivalue.Of(b.LifetimeSeconds)),
			ClockSkew: skew, RequiredClaims: apivalue.Of(b.RequiredClaims), Revocation: apivalue.Of(b.Revocation),
			EncryptionKeyID: apivalue.Of(b.EncryptionKey), MaxInflated: apivalue.Of(b.MaxInflatedBytes),
			KeySetURL: apivalue.Of(b.JwksUri), Trusted: trustedOf(apivalue.Of(b.TrustedKeys)), Algorithms: apivalue.Of(b.Algorithms),
		},
	})
	if err != nil {
		return nil, err
	}
	server.Annotate(ctx, authority.ObjectProfile, made.ID, 0)
	return CreateProfile201JSONResponse{Body: profileOf(made), Headers: CreateProfile201ResponseHeaders{
		ETag: apivalue.Optional(etag.Of(made.Revision)), Location: apivalue.Optional("profiles/" + made.ID),
	}}, nil
}

// ListProfiles implements GET /profiles.
func (h *Operations) ListProfiles(ctx context.Context, request ListProfilesRequestObject) (ListProfilesResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	list := page.List{Tenant: who.Tenant, Name: "profiles", Sort: "id"}
	profiles, cursor, err := page.Read(h.cursors, list, request.Params.Limit, request.Params.Cursor, func(after string, limit int) ([]authority.Profile, error) {
		return h.authority.ListProfiles(ctx, who, after, limit)
	}, func(p authority.Profile) string { return p.ID })
	return ListProfiles200JSONResponse{Items: apivalue.Each(profiles, profileOf), NextCursor: cursor}, err
}

// GetProfile implements GET /profiles/{id}.
func (h *Operations) GetProfile(ctx context.Context, request GetProfileRequestObject) (GetProfileResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	found, err := h.authority.GetProfile(ctx, who, authority.Ref(request.Id))
	if err != nil {
		return nil, err
	}
	return GetProfile200JSONResponse{Body: profileOf(found), Headers: GetProfile200ResponseHeaders{ETag: apivalue.Optional(etag.Of(found.Revision))}}, nil
}

// writableProfile is what a patch can change.
type writableProfile struct {
	Description      *string  `json:"description,omitempty"`
	Key              *string  `json:"key,omitempty"`
	EncryptionKey    *string  `json:"encryption_key,omitempty"`
	MaxInflatedBytes *int     `json:"max_inflated_bytes,omitempty"`
	JWKSURI          *string  `json:"jwks_uri,omitempty"`
	TrustedKeys      *trusted `json:"trusted_keys,omitempty"`
	Algorithms       []string `json:"algorithms,omitempty"`
	Typ              string   `json:"typ"`
	EdDSA            bool     `json:"eddsa"`
	CertificateChain bool     `json:"certificate_chain"`
	Issuer           string   `json:"issuer"`
	Audience         []string `json:"audience"`
	LifetimeSeconds  int64    `json:"lifetime_seconds"`
	ClockSkewSeconds int64    `json:"clock_skew_seconds"`
	RequiredClaims   []string `json:"required_claims"`
	Revocation       bool     `json:"revocation"`
}

// UpdateProfile implements PATCH /profiles/{id}.
func (h *Operations) UpdateProfile(ctx context.Context, request UpdateProfileRequestObject) (UpdateProfileResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	revision, err := etag.Version(apivalue.Of(request.Params.IfMatch))
	if err != nil {
		return nil, err
	}
	changed, err := h.authority.UpdateProfile(ctx, who, authority.Ref(request.Id), revision, func(p authority.Profile) (authority.Profile, error) {
		want, err := mergepatch.Apply(writableProfile{
			Description: apivalue.Optional(p.Description), Key: apivalue.Optional(p.KeyID), Typ: p.Type, EdDSA: p.EdDSA, Issuer: p.Issuer,
			Audience: p.Audience, EncryptionKey: apivalue.Optional(p.EncryptionKeyID), JWKSURI: apivalue.Optional(p.KeySetURL), Algorithms: p.Algorithms,
			LifetimeSeconds: int64(p.Lifetime / time.Second), ClockSkewSeconds: int64(p.ClockSkew / time.Second),
			RequiredClaims: p.RequiredClaims, Revocation: p.Revocation, CertificateChain: p.CertificateChain,
			MaxInflatedBytes: apivalue.Optional(p.MaxInflated), TrustedKeys: writableTrusted(p.Trusted),
		}, *request.Body)
		p.Description, p.KeyID = apivalue.Of(want.Description), apivalue.Of(want.Key)
		p.TokenPolicy = authority.TokenPolicy{
			Type: want.Typ, EdDSA: want.EdDSA, Issuer: want.Issuer, Audience: want.Audience, Lifetime: seconds(want.LifetimeSeconds),
			ClockSkew: seconds(want.ClockSkewSeconds), RequiredClaims: want.RequiredClaims, Revocation: want.Revocation,
			EncryptionKeyID: apivalue.Of(want.EncryptionKey), MaxInflated: apivalue.Of(want.MaxInflatedBytes),
			KeySetURL: apivalue.Of(want.JWKSURI), Trusted: apivalue.Of(want.TrustedKeys).domain(), Algorithms: want.Algorithms, CertificateChain: want.CertificateChain,
		}
		return p, err
	})
	if err != nil {
		return nil, err
	}
	return UpdateProfile200JSONResponse{Body: profileOf(changed), Headers: UpdateProfile200ResponseHeaders{ETag: apivalue.Optional(etag.Of(changed.Revision))}}, nil
}

// DeleteProfile implements DELETE /profiles/{id}.
func (h *Operations) DeleteProfile(ctx context.Context, request DeleteProfileRequestObject) (DeleteProfileResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	revision, err := etag.Version(apivalue.Of(request.Params.IfMatch))
	if err != nil {
		return nil, err
	}
	return DeleteProfile204Response{}, h.authority.DeleteProfile(ctx, who, authority.Ref(request.Id), revision)
}

func profileOf(p authority.Profile) Profile {
	out := Profile{
		Id: p.ID, Name: p.Name, Description: p.Description, Key: apivalue.Optional(p.KeyID), Typ: p.Type, Eddsa: p.EdDSA, CertificateChain: p.CertificateChain, Issuer: p.Issuer, Audience: p.Audience,
		LifetimeSeconds: int64(p.Lifetime / time.Second), ClockSkewSeconds: int64(p.ClockSkew / time.Second),
		RequiredClaims: append([]string{}, p.RequiredClaims...), Revocation: p.Revocation,
		CreatedAt: apivalue.Timestamp(p.CreatedAt), UpdatedAt: apivalue.Timestamp(p.UpdatedAt),
		EncryptionKey: apivalue.Optional(p.EncryptionKeyID), MaxInflatedBytes: apivalue.Optional(p.MaxInflated), JwksUri: apivalue.Optional(p.KeySetURL),
	}
	if len(p.Algorithms) > 0 {
		out.Algorithms = &p.Algorithms
	}
	if p.Trusted.Any() {
		out.TrustedKeys = trustedKeys(p.Trusted)
	}
	return out
}
