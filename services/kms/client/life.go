package client

import (
	"context"
	"fmt"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
)

// EnableKey makes a disabled key usable again.
func (k *KMS) EnableKey(ctx context.Context, key string) (*ElasticKey, error) {
	once := apiclient.IdempotencyKey()
	return onKey[ElasticKey](ctx, k, "enable", key, func(ctx context.Context) (*http.Response, error) {
		return k.api.EnableElasticKey(ctx, key, &EnableElasticKeyParams{IdempotencyKey: &once})
	})
}

// DisableKey makes a key unusable until it is enabled again: within a second, on every
// replica.
func (k *KMS) DisableKey(ctx context.Context, key string) (*ElasticKey, error) {
	once := apiclient.IdempotencyKey()
	return onKey[ElasticKey](ctx, k, "disable", key, func(ctx context.Context) (*http.Response, error) {
		return k.api.DisableElasticKey(ctx, key, &DisableElasticKeyParams{IdempotencyKey: &once})
	})
}

// End says how a key or version is to end.
type End struct {
	// WaitDays is how many days that takes: 7 to 30, and 30 when zero. A tenant may have
	// a longer shortest wait.
	WaitDays int
	// DryRun asks what would happen; nothing changes.
	DryRun bool
}

func (e End) body() ScheduleEnd { return ScheduleEnd{WaitDays: apiclient.Given(e.WaitDays)} }

// ScheduleDeletion ends a key after a wait, in which it does nothing and attempts to
// use it are counted. It takes a fresh authentication: see [Config] Certificate.
func (k *KMS) ScheduleDeletion(ctx context.Context, key string, end End) (*DeletionPlan, error) {
	once := apiclient.IdempotencyKey()
	return onKey[DeletionPlan](ctx, k, "schedule deletion of", key, func(ctx context.Context) (*http.Response, error) {
		params := ScheduleElasticKeyDeletionParams{IdempotencyKey: &once, DryRun: apiclient.Given(end.DryRun)}
		return k.api.ScheduleElasticKeyDeletion(ctx, key, &params, end.body())
	})
}

// CancelDeletion keeps a key that was to be deleted. It is disabled then.
func (k *KMS) CancelDeletion(ctx context.Context, key string) (*ElasticKey, error) {
	once := apiclient.IdempotencyKey()
	return onKey[ElasticKey](ctx, k, "cancel deletion of", key, func(ctx context.Context) (*http.Response, error) {
		return k.api.CancelElasticKeyDeletion(ctx, key, &CancelElasticKeyDeletionParams{IdempotencyKey: &once})
	})
}

// onKey performs an operation on a key.
func onKey[T any](ctx context.Context, k *KMS, verb, key string, send func(context.Context) (*http.Response, error)) (*T, error) {
	if err := apiclient.CheckRef(key); err != nil {
		return nil, err
	}
	return call[T](ctx, k, fmt.Sprintf("%s key %q", verb, key), send)
}
