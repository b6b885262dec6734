package kms

import (
	"context"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/service"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/httpapi"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/sqlstore"
)

// expireInterval is how often opened keys that are too old are forgotten.
const expireInterval = time.Minute

// build makes the KMS on the platform.
func build(_ context.Context, cfg Config, p *service.Platform) (service.Domain, error) {
	keys, err := keyring.New(keyring.Config{
		Store: sqlstore.New(p.DB), Barrier: p.Barrier, Generator: p.Generator, Now: p.Now, CacheKeys: cfg.Keys.Cache,
	})
	if err != nil {
		return service.Domain{}, err
	}
	operations, err := httpapi.New(keys, p.Cursors)
	if err != nil {
		return service.Domain{}, err
	}
	return service.Domain{
		Mount:  operations.Mount,
		Tasks:  []func(context.Context){func(ctx context.Context) { expire(ctx, keys) }},
		Forget: keys.Forget,
	}, nil
}

// expire forgets opened keys that are too old until ctx ends.
func expire(ctx context.Context, keys *keyring.Keyring) {
	ticker := time.NewTicker(expireInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			keys.Expire()
		}
	}
}
