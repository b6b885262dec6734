package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
)

// CreateGrant lets somebody do operations with the key without having their scopes: within a second, on every replica. It takes a fresh
// authentication: see [Config] Certificate.
func (k *KMS) CreateGrant(ctx context.Context, key string, spec NewKeyGrant) (*KeyGrant, error) {
	once := apiclient.IdempotencyKey()
	return onKey[KeyGrant](ctx, k, "create grant on", key, func(ctx context.Context) (*http.Response, error) {
		return k.api.CreateKeyGrant(ctx, key, &CreateKeyGrantParams{IdempotencyKey: &once}, spec)
	})
}

// ListGrants yields the grants on the key, in order of creation. It ends after the first error.
func (k *KMS) ListGrants(ctx context.Context, key string) iter.Seq2[KeyGrant, error] {
	params := ListKeyGrantsParams{Limit: new(apiclient.PageSize)}
	return apiclient.Pages(func(cursor *string) ([]KeyGrant, *string, error) {
		params.Cursor = cursor
		page, err := onKey[KeyGrantPage](ctx, k, "list grants on", key, func(ctx context.Context) (*http.Response, error) {
			return k.api.ListKeyGrants(ctx, key, &params)
		})
		if err != nil {
			return nil, nil, err
		}
		return page.Items, page.NextCursor, nil
	})
}

// GetGrant returns a grant on the key.
func (k *KMS) GetGrant(ctx context.Context, key, grant string) (*KeyGrant, error) {
	return onGrant[KeyGrant](ctx, k, "get", key, grant, func(ctx context.Context) (*http.Response, error) {
		return k.api.GetKeyGrant(ctx, key, grant)
	})
}

// RevokeGrant takes a grant back. Where an answer was lost, the error may be a [*Problem] with the code not_found although it did so.
func (k *KMS) RevokeGrant(ctx context.Context, key, grant string) error {
	_, err := onGrant[apiclient.Nothing](ctx, k, "revoke", key, grant, func(ctx context.Context) (*http.Response, error) {
		return k.api.RevokeKeyGrant(ctx, key, grant)
	})
	return err
}

// RetireGrant gives up a grant that the caller has, or may retire.
func (k *KMS) RetireGrant(ctx context.Context, key, grant string) error {
	once := apiclient.IdempotencyKey()
	_, err := onGrant[apiclient.Nothing](ctx, k, "retire", key, grant, func(ctx context.Context) (*http.Response, error) {
		return k.api.RetireKeyGrant(ctx, key, grant, &RetireKeyGrantParams{IdempotencyKey: &once})
	})
	return err
}

// onGrant performs an operation on a grant.
func onGrant[T any](ctx context.Context, k *KMS, verb, key, grant string, send func(context.Context) (*http.Response, error)) (*T, error) {
	if err := apiclient.CheckRef(key); err != nil {
		return nil, err
	}
	if apiclient.CheckRef(grant) != nil {
		return nil, fmt.Errorf("%q is no id of a grant", grant)
	}
	return call[T](ctx, k, fmt.Sprintf("%s grant %q on key %q", verb, grant, key), send)
}
