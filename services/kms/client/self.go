package client

import (
	"context"
	"net/http"
)

// Self is who the service takes a caller for.
type Self struct {
	Tenant string   `json:"tenant"`
	Realm  string   `json:"realm"`
	Kind   string   `json:"kind"` // user, client or api_token
	ID     string   `json:"id"`
	Name   string   `json:"name,omitempty"`
	Scopes []string `json:"scopes"`
	Roles  []string `json:"roles"`
	// ExpiresAt is when the credential ends, in RFC 3339; empty: never.
	ExpiresAt string `json:"expires_at,omitempty"`
	// Confirmed tells that the credential is bound to its sender.
	Confirmed bool `json:"confirmed"`
}

// Self returns who the service takes the caller for.
func (k *KMS) Self(ctx context.Context) (*Self, error) {
	return call[Self](ctx, k, "get self", func(ctx context.Context) (*http.Response, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.api.Server+"self", nil)
		if err != nil {
			return nil, err
		}
		if err := k.api.applyEditors(ctx, request, nil); err != nil {
			return nil, err
		}
		return k.api.Client.Do(request)
	})
}
