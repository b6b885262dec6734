package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
)

// CreateProfile makes a profile.
func (j *JOSE) CreateProfile(ctx context.Context, spec CreateProfile) (*Profile, error) {
	params := CreateProfileParams{IdempotencyKey: once()}
	return call[Profile](ctx, j, fmt.Sprintf("create profile %q", spec.Name), func(ctx context.Context) (*http.Response, error) {
		return j.api.CreateProfile(ctx, &params, spec)
	})
}

// ListProfiles yields the profiles in order of creation. It ends after the first error.
func (j *JOSE) ListProfiles(ctx context.Context) iter.Seq2[Profile, error] {
	params := ListProfilesParams{Limit: new(apiclient.PageSize)}
	return apiclient.Pages(func(cursor *string) ([]Profile, *string, error) {
		params.Cursor = cursor
		page, err := call[ProfilePage](ctx, j, "list profiles", func(ctx context.Context) (*http.Response, error) { return j.api.ListProfiles(ctx, &params) })
		if err != nil {
			return nil, nil, err
		}
		return page.Items, page.NextCursor, nil
	})
}

// GetProfile returns the profile with this UUID or name.
func (j *JOSE) GetProfile(ctx context.Context, profile string) (*Profile, error) {
	return about[Profile](ctx, j, "get profile", profile, func(ctx context.Context) (*http.Response, error) { return j.api.GetProfile(ctx, profile) })
}

// UpdateProfile changes a profile, as [JOSE.UpdateKey] does a key.
func (j *JOSE) UpdateProfile(ctx context.Context, profile string, again int, change func(Profile) (Patch, error)) (*Profile, error) {
	if err := apiclient.CheckRef(profile); err != nil {
		return nil, err
	}
	read := func(ctx context.Context) (*http.Response, error) { return j.api.GetProfile(ctx, profile) }
	write := func(ctx context.Context, tag string, patch json.RawMessage) (*http.Response, error) {
		return j.api.UpdateProfileWithApplicationMergePatchPlusJSONBody(ctx, profile, &UpdateProfileParams{IfMatch: &tag}, patch)
	}
	return apiclient.Update(ctx, j.caller, fmt.Sprintf("update profile %q", profile), again, read, change, write)
}

// DeleteProfile deletes a profile with its revocations, as it is now. Where an answer was lost, the error may be a [*Problem] with the code
// not_found although it did so.
func (j *JOSE) DeleteProfile(ctx context.Context, profile string) error {
	operation := fmt.Sprintf("delete profile %q", profile)
	if err := apiclient.CheckRef(profile); err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	_, tag, err := apiclient.CallTagged[Profile](ctx, j.caller, operation, func(ctx context.Context) (*http.Response, error) {
		return j.api.GetProfile(ctx, profile)
	})
	if err != nil {
		return err
	}
	_, err = call[apiclient.Nothing](ctx, j, operation, func(ctx context.Context) (*http.Response, error) {
		return j.api.DeleteProfile(ctx, profile, &DeleteProfileParams{IfMatch: &tag})
	})
	return err
}

// RevokeToken has the token of a `jti` refused by a profile. expires is the token's `exp`; zero for the longest that tokens live.
func (j *JOSE) RevokeToken(ctx context.Context, profile, id string, expires time.Time) (*Revocation, error) {
	params := RevokeTokenParams{IdempotencyKey: once()}
	ask := RevokeRequest{Jti: id}
	if !expires.IsZero() {
		ask.ExpiresAt = &expires
	}
	return about[Revocation](ctx, j, "revoke token of profile", profile, func(ctx context.Context) (*http.Response, error) {
		return j.api.RevokeToken(ctx, profile, &params, ask)
	})
}
