package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"strconv"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
)

// ListVersions yields the versions of the key, newest first. It ends after the first
// error.
func (k *KMS) ListVersions(ctx context.Context, key string) iter.Seq2[MaterialKey, error] {
	params := ListMaterialKeysParams{Limit: new(apiclient.PageSize)}
	return apiclient.Pages(func(cursor *string) ([]MaterialKey, *string, error) {
		if err := apiclient.CheckRef(key); err != nil {
			return nil, nil, err
		}
		params.Cursor = cursor
		page, err := call[MaterialKeyPage](ctx, k, fmt.Sprintf("list versions of key %q", key), func(ctx context.Context) (*http.Response, error) {
			return k.api.ListMaterialKeys(ctx, key, &params)
		})
		if err != nil {
			return nil, nil, err
		}
		return page.Items, page.NextCursor, nil
	})
}

// VersionFilter selects versions of all keys; empty fields select all.
type VersionFilter struct {
	Status    MaterialKeyStatus
	Algorithm string // of the key
}

// AllVersions yields the versions of all keys that are not deleted, in order of
// creation. It ends after the first error.
func (k *KMS) AllVersions(ctx context.Context, filter VersionFilter) iter.Seq2[MaterialKey, error] {
	params := ListAllMaterialKeysParams{Limit: new(apiclient.PageSize), Status: apiclient.Given(filter.Status), Algorithm: apiclient.Given(filter.Algorithm)}
	return apiclient.Pages(func(cursor *string) ([]MaterialKey, *string, error) {
		params.Cursor = cursor
		page, err := call[MaterialKeyPage](ctx, k, "list versions", func(ctx context.Context) (*http.Response, error) {
			return k.api.ListAllMaterialKeys(ctx, &params)
		})
		if err != nil {
			return nil, nil, err
		}
		return page.Items, page.NextCursor, nil
	})
}

// GetVersion returns one version of the key.
func (k *KMS) GetVersion(ctx context.Context, key string, version int64) (*MaterialKey, error) {
	return onVersion[MaterialKey](ctx, k, "get", key, version, func(ctx context.Context, number string) (*http.Response, error) {
		return k.api.GetMaterialKey(ctx, key, number)
	})
}

// CreateVersion is [KMS.RotateKey] under the name that versions have: it adds one to the key and makes it primary.
func (k *KMS) CreateVersion(ctx context.Context, key string) (*MaterialKey, error) {
	once := apiclient.IdempotencyKey()
	return onKey[MaterialKey](ctx, k, "add a version to", key, func(ctx context.Context) (*http.Response, error) {
		return k.api.CreateMaterialKey(ctx, key, &CreateMaterialKeyParams{IdempotencyKey: &once})
	})
}

// EnableVersion makes a disabled version usable again.
func (k *KMS) EnableVersion(ctx context.Context, key string, version int64) (*MaterialKey, error) {
	once := apiclient.IdempotencyKey()
	return onVersion[MaterialKey](ctx, k, "enable", key, version, func(ctx context.Context, number string) (*http.Response, error) {
		return k.api.EnableMaterialKey(ctx, key, number, &EnableMaterialKeyParams{IdempotencyKey: &once})
	})
}

// DisableVersion makes a version unusable until it is enabled again.
func (k *KMS) DisableVersion(ctx context.Context, key string, version int64) (*MaterialKey, error) {
	once := apiclient.IdempotencyKey()
	return onVersion[MaterialKey](ctx, k, "disable", key, version, func(ctx context.Context, number string) (*http.Response, error) {
		return k.api.DisableMaterialKey(ctx, key, number, &DisableMaterialKeyParams{IdempotencyKey: &once})
	})
}

// SetPrimary makes a version the one that encrypts and signs. It may be an older one.
func (k *KMS) SetPrimary(ctx context.Context, key string, version int64) (*MaterialKey, error) {
	once := apiclient.IdempotencyKey()
	return onVersion[MaterialKey](ctx, k, "set primary", key, version, func(ctx context.Context, number string) (*http.Response, error) {
		return k.api.SetPrimaryMaterialKey(ctx, key, number, &SetPrimaryMaterialKeyParams{IdempotencyKey: &once})
	})
}

// MarkCompromised says that somebody else knows a version. It makes nothing any more,
// and there is no way back.
func (k *KMS) MarkCompromised(ctx context.Context, key string, version int64) (*MaterialKey, error) {
	once := apiclient.IdempotencyKey()
	return onVersion[MaterialKey](ctx, k, "mark compromised", key, version, func(ctx context.Context, number string) (*http.Response, error) {
		return k.api.CompromiseMaterialKey(ctx, key, number, &CompromiseMaterialKeyParams{IdempotencyKey: &once})
	})
}

// ScheduleDestruction destroys a version after a wait, in which it does nothing and
// can be restored.
func (k *KMS) ScheduleDestruction(ctx context.Context, key string, version int64, end End) (*DestructionPlan, error) {
	once := apiclient.IdempotencyKey()
	return onVersion[DestructionPlan](ctx, k, "schedule destruction of", key, version, func(ctx context.Context, number string) (*http.Response, error) {
		params := ScheduleMaterialKeyDestructionParams{IdempotencyKey: &once, DryRun: apiclient.Given(end.DryRun)}
		return k.api.ScheduleMaterialKeyDestruction(ctx, key, number, &params, end.body())
	})
}

// RestoreVersion keeps a version that was to be destroyed. It is disabled then, or
// compromised if it was that.
func (k *KMS) RestoreVersion(ctx context.Context, key string, version int64) (*MaterialKey, error) {
	once := apiclient.IdempotencyKey()
	return onVersion[MaterialKey](ctx, k, "restore", key, version, func(ctx context.Context, number string) (*http.Response, error) {
		return k.api.RestoreMaterialKey(ctx, key, number, &RestoreMaterialKeyParams{IdempotencyKey: &once})
	})
}

// onVersion performs an operation on one version of a key.
func onVersion[T any](
	ctx context.Context, k *KMS, verb, key string, version int64, send func(ctx context.Context, number string) (*http.Response, error),
) (*T, error) {
	if err := apiclient.CheckRef(key); err != nil {
		return nil, err
	}
	if version < 1 {
		return nil, fmt.Errorf("there is no version %d of key %q: they count from 1", version, key)
	}
	operation := fmt.Sprintf("%s version %d of key %q", verb, version, key)
	return call[T](ctx, k, operation, func(ctx context.Context) (*http.Response, error) {
		return send(ctx, strconv.FormatInt(version, 10))
	})
}
