package client

import (
	"context"
	"net/http"
)

// KeySet returns the tenant's JWK Set (RFC 7517 section 5): the public parts of the keys
// that are published.
func (k *KMS) KeySet(ctx context.Context) (KeySet, error) {
	set, err := call[KeySet](ctx, k, "get key set", func(ctx context.Context) (*http.Response, error) { return k.api.GetKeySet(ctx) })
	if err != nil {
		return nil, err
	}
	return *set, nil
}

// ReportAlgorithms tells which algorithms are in use, by keys, versions and uses.
func (k *KMS) ReportAlgorithms(ctx context.Context) (*AlgorithmReport, error) {
	return call[AlgorithmReport](ctx, k, "report algorithms", func(ctx context.Context) (*http.Response, error) { return k.api.ReportAlgorithms(ctx) })
}
