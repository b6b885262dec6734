package client

import (
	"context"
	"iter"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
)

// CreateExternalKey makes a key that binds one ACME account. Its secret is in the answer, this once.
func (c *Authority) CreateExternalKey(ctx context.Context, spec CreateExternalKey) (*ExternalKey, error) {
	params := CreateExternalKeyParams{IdempotencyKey: once()}
	return call[ExternalKey](ctx, c, "create external account key", func(ctx context.Context) (*http.Response, error) {
		return c.api.CreateExternalKey(ctx, &params, spec)
	})
}

// ListExternalKeys yields the keys that bind ACME accounts in order of creation, fetching pages as they are needed. It ends after the first error.
func (c *Authority) ListExternalKeys(ctx context.Context) iter.Seq2[ExternalKey, error] {
	params := ListExternalKeysParams{Limit: new(apiclient.PageSize)}
	return apiclient.Pages(func(cursor *string) ([]ExternalKey, *string, error) {
		params.Cursor = cursor
		page, err := call[ExternalKeyPage](ctx, c, "list external account keys", func(ctx context.Context) (*http.Response, error) {
			return c.api.ListExternalKeys(ctx, &params)
		})
		if err != nil {
			return nil, nil, err
		}
		return page.Items, page.NextCursor, nil
	})
}

// GetExternalKey returns a key without its secret.
func (c *Authority) GetExternalKey(ctx context.Context, id string) (*ExternalKey, error) {
	return about[ExternalKey](ctx, c, "get external account key", id, func(ctx context.Context) (*http.Response, error) { return c.api.GetExternalKey(ctx, id) })
}

// RevokeExternalKey makes a key useless. An account that it has bound stays.
func (c *Authority) RevokeExternalKey(ctx context.Context, id string) error {
	_, err := about[apiclient.Nothing](ctx, c, "revoke external account key", id, func(ctx context.Context) (*http.Response, error) { return c.api.RevokeExternalKey(ctx, id) })
	return err
}

// RevokeAccount takes an ACME account away from its owner.
func (c *Authority) RevokeAccount(ctx context.Context, id string) error {
	params := RevokeAccountParams{IdempotencyKey: once()}
	_, err := about[apiclient.Nothing](ctx, c, "revoke account", id, func(ctx context.Context) (*http.Response, error) { return c.api.RevokeAccount(ctx, id, &params) })
	return err
}
