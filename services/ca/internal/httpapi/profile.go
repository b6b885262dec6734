package httpapi

import (
	"context"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/access"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/issuance"
)

// Profiles are those that are loaded; profile.Set has them.
type Profiles interface {
	issuance.Profiles
	// Names are their names in order.
	Names() []string
}

// ListProfiles implements GET /profiles.
func (h *Operations) ListProfiles(ctx context.Context, _ ListProfilesRequestObject) (ListProfilesResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if err := access.Decide(who, access.Read); err != nil {
		return nil, err
	}
	items := []Profile{}
	for _, name := range h.profiles.Names() {
		profile, _ := h.profile(name)
		profile.Yaml = nil
		items = append(items, profile)
	}
	return ListProfiles200JSONResponse{Items: items}, nil
}

// GetProfile implements GET /profiles/{name}.
func (h *Operations) GetProfile(ctx context.Context, request GetProfileRequestObject) (GetProfileResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if err := access.Decide(who, access.Read); err != nil {
		return nil, err
	}
	profile, found := h.profile(request.Name)
	if !found {
		return nil, problem.New(problem.NotFound, "no such profile")
	}
	return GetProfile200JSONResponse(profile), nil
}

// profile encodes a profile.
func (h *Operations) profile(name string) (Profile, bool) {
	p, err := h.profiles.Find(name)
	if err != nil {
		return Profile{}, false
	}
	return Profile{
		Name: name, Description: apivalue.Optional(p.Description), Family: Family(p.Family), Authority: p.IsAuthority(), Approvals: p.Approval.Count,
		Yaml: apivalue.Optional(p.Text()),
	}, true
}
