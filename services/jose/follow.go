package jose

import (
	"context"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/federation"
	"github.com/cryptoutil/cryptoutil/libs/service"

	"github.com/cryptoutil/cryptoutil/services/jose/internal/authority"
)

// followKMS adopts on one replica at a time what the KMS has taken into use by itself, until ctx ends. While the KMS is away or the barrier is sealed
// there is nothing to follow.
func followKMS(ctx context.Context, p *service.Platform, peer *federation.Peer, keys *authority.Authority, every time.Duration) {
	err := p.Leases.Every(ctx, "jose-follow-kms", every, func(ctx context.Context) error {
		if !peer.Up() || p.Barrier.Sealed() {
			return nil
		}
		return eachTenant(ctx, p, func(tenant string) error {
			if err := keys.Follow(ctx, tenant); err != nil {
				p.Log.WarnContext(ctx, "versions of the KMS were not taken over", "tenant", tenant, "error", err)
			}
			return ctx.Err()
		})
	})
	if err != nil && ctx.Err() == nil {
		p.Log.Error("a task has ended; restart the service", "task", "jose-follow-kms", "error", err)
	}
}
