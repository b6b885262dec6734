package kms

import (
	"context"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/service"
)

// Timed is the KMS by other clocks than the machine's.
func Timed(wall func() time.Time, elapsed func() time.Duration) service.Service[Config] {
	return timed(clocks{wall: wall, elapsed: elapsed})
}

// Shown is the KMS with its platform shown to a test.
func Shown(show func(p *service.Platform)) service.Service[Config] {
	s := Service()
	open := s.Build
	s.Build = func(ctx context.Context, cfg Config, p *service.Platform) (service.Domain, error) {
		show(p)
		return open(ctx, cfg, p)
	}
	return s
}
