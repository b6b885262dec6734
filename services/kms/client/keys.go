package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"net/http"
)

// pageSize is how many items one request of a list asks for: the service's maximum.
const pageSize = 1000

// CreateKey creates an elastic key with its first version.
func (k *KMS) CreateKey(ctx context.Context, spec CreateElasticKey) (*ElasticKey, error) {
	once := idempotencyKey()
	return call[ElasticKey](ctx, k, fmt.Sprintf("create key %q", spec.Name), func(ctx context.Context) (*http.Response, error) {
		return k.api.CreateElasticKey(ctx, &CreateElasticKeyParams{IdempotencyKey: &once}, spec)
	})
}

// CreateKeyLater is CreateKey that does not wait where the generation takes seconds, as that of large RSA keys does: the key is pending_generate
// then, and of use once it is active.
func (k *KMS) CreateKeyLater(ctx context.Context, spec CreateElasticKey) (*ElasticKey, error) {
	once := idempotencyKey()
	return call[ElasticKey](ctx, k, fmt.Sprintf("create key %q", spec.Name), func(ctx context.Context) (*http.Response, error) {
		return k.api.CreateElasticKey(ctx, &CreateElasticKeyParams{IdempotencyKey: &once, Prefer: new("respond-async")}, spec)
	})
}

// RetryGeneration has a key generated whose generation has failed. It is pending_generate then.
func (k *KMS) RetryGeneration(ctx context.Context, key string) (*ElasticKey, error) {
	once := idempotencyKey()
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
		Limit:             new(pageSize),
		Sort:              given(filter.Sort),
		ID:                given(filter.ID),
		Tag:               given(filter.Tag),
		VersioningAllowed: filter.VersioningAllowed,
		ImportAllowed:     filter.ImportAllowed,
		Name:              given(filter.Name),
		Algorithm:         given(filter.Algorithm),
		Status:            given(filter.Status),
	}
	return pages(func(cursor *string) ([]ElasticKey, *string, error) {
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
	if err := checkKey(key); err != nil {
		return nil, err
	}
	return call[ElasticKey](ctx, k, fmt.Sprintf("get key %q", key), func(ctx context.Context) (*http.Response, error) {
		return k.api.GetElasticKey(ctx, key, nil)
	})
}

// RotateKey adds a version to the key and makes it primary.
func (k *KMS) RotateKey(ctx context.Context, key string) (*MaterialKey, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	once := idempotencyKey()
	return call[MaterialKey](ctx, k, fmt.Sprintf("rotate key %q", key), func(ctx context.Context) (*http.Response, error) {
		return k.api.RotateElasticKey(ctx, key, &RotateElasticKeyParams{IdempotencyKey: &once})
	})
}

// PublicKey returns the public part of a version of the key; version 0 is the
// primary one.
func (k *KMS) PublicKey(ctx context.Context, key string, version int64) (*PublicKey, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	return call[PublicKey](ctx, k, fmt.Sprintf("get public key of %q", key), func(ctx context.Context) (*http.Response, error) {
		return k.api.GetPublicKey(ctx, key, &GetPublicKeyParams{Version: given(version)})
	})
}

// pages yields the items of one page after the other. fetch gets the cursor of the
// page, nil for the first, and returns that of the next, nil after the last.
func pages[T any](fetch func(cursor *string) ([]T, *string, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var cursor *string
		for {
			items, next, err := fetch(cursor)
			if err == nil && next != nil && cursor != nil && *next == *cursor {
				err = errors.New("the list does not end: the service answered the same cursor twice")
			}
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if next == nil {
				return
			}
			cursor = next
		}
	}
}

// checkKey refuses what would name another path than a key's.
func checkKey(key string) error {
	if key == "" || key == "." || key == ".." {
		return fmt.Errorf("%q is neither the name nor the id of a key", key)
	}
	return nil
}

// idempotencyKey returns a value that no other call uses: 128 random bits or more.
func idempotencyKey() string { return rand.Text() }

// given returns v for a parameter, nil where it is the zero value.
func given[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
