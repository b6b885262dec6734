package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
)

// CreateKey creates an elastic key with its first version.
func (k *KMS) CreateKey(ctx context.Context, spec CreateElasticKey) (*ElasticKey, error) {
	once := apiclient.IdempotencyKey()
	return call[ElasticKey](ctx, k, fmt.Sprintf("create key %q", spec.Name), func(ctx context.Context) (*http.Response, error) {
		return k.api.CreateElasticKey(ctx, &CreateElasticKeyParams{IdempotencyKey: &once}, spec)
	})
}

// CreateKeyLater is CreateKey that does not wait where the generation takes seconds, as that of large RSA keys does: the key is pending_generate
// then, and of use once it is active.
func (k *KMS) CreateKeyLater(ctx context.Context, spec CreateElasticKey) (*ElasticKey, error) {
	once := apiclient.IdempotencyKey()
	return call[ElasticKey](ctx, k, fmt.Sprintf("create key %q", spec.Name), func(ctx context.Context) (*http.Response, error) {
		return k.api.CreateElasticKey(ctx, &CreateElasticKeyParams{IdempotencyKey: &once, Prefer: new("respond-async")}, spec)
	})
}

// RetryGeneration has a key generated whose generation has failed. It is pending_generate then.
func (k *KMS) RetryGeneration(ctx context.Context, key string) (*ElasticKey, error) {
	once := apiclient.IdempotencyKey()
	return onKey[ElasticKey](ctx, k, "retry generation of", key, func(ctx context.Context) (*http.Response, error) {
		return k.api.RetryElasticKeyGeneration(ctx, key, &RetryElasticKeyGenerationParams{IdempotencyKey: &once})
	})
}

// KeyFilter selects elastic keys, and orders them; empty fields select all.
type KeyFilter struct {
	ID        string // a UUID
	Name      string // or an alias
	Algorithm string
	Status    ElasticKeyStatus // deleted keys are listed only where it is that
	Tag       string           // "name" or "name=value"
	// VersioningAllowed and ImportAllowed select keys that may, or may not, get further versions, and by import.
	VersioningAllowed *bool
	ImportAllowed     *bool
	// Sort is the order: by id, which is that of creation, when empty.
	Sort ListElasticKeysParamsSort
}

// ListKeys yields the keys that filter selects, in its order, fetching pages as they
// are needed. It ends after the first error.
func (k *KMS) ListKeys(ctx context.Context, filter KeyFilter) iter.Seq2[ElasticKey, error] {
	params := ListElasticKeysParams{
		Limit:             new(apiclient.PageSize),
		Sort:              apiclient.Given(filter.Sort),
		ID:                apiclient.Given(filter.ID),
		Tag:               apiclient.Given(filter.Tag),
		VersioningAllowed: filter.VersioningAllowed,
		ImportAllowed:     filter.ImportAllowed,
		Name:              apiclient.Given(filter.Name),
		Algorithm:         apiclient.Given(filter.Algorithm),
		Status:            apiclient.Given(filter.Status),
	}
	return apiclient.Pages(func(cursor *string) ([]ElasticKey, *string, error) {
		params.Cursor = cursor
		page, err := call[ElasticKeyPage](ctx, k, "list keys", func(ctx context.Context) (*http.Response, error) {
			return k.api.ListElasticKeys(ctx, &params)
		})
		if err != nil {
			return nil, nil, err
		}
		return page.Items, page.NextCursor, nil
	})
}

// GetKey returns the elastic key with this name or UUID.
func (k *KMS) GetKey(ctx context.Context, key string) (*ElasticKey, error) {
	if err := apiclient.CheckRef(key); err != nil {
		return nil, err
	}
	return call[ElasticKey](ctx, k, fmt.Sprintf("get key %q", key), func(ctx context.Context) (*http.Response, error) {
		return k.api.GetElasticKey(ctx, key, nil)
	})
}

// RotateKey adds a version to the key and makes it primary.
func (k *KMS) RotateKey(ctx context.Context, key string) (*MaterialKey, error) {
	if err := apiclient.CheckRef(key); err != nil {
		return nil, err
	}
	once := apiclient.IdempotencyKey()
	return call[MaterialKey](ctx, k, fmt.Sprintf("rotate key %q", key), func(ctx context.Context) (*http.Response, error) {
		return k.api.RotateElasticKey(ctx, key, &RotateElasticKeyParams{IdempotencyKey: &once})
	})
}

// PublicKey returns the public part of a version of the key; version 0 is the
// primary one.
func (k *KMS) PublicKey(ctx context.Context, key string, version int64) (*PublicKey, error) {
	if err := apiclient.CheckRef(key); err != nil {
		return nil, err
	}
	return call[PublicKey](ctx, k, fmt.Sprintf("get public key of %q", key), func(ctx context.Context) (*http.Response, error) {
		return k.api.GetPublicKey(ctx, key, &GetPublicKeyParams{Version: apiclient.Given(version)})
	})
}
