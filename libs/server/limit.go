package server

import (
	"context"
	"time"
)

// Rate is Limit requests per Per, of which Burst may come at once. Without a Limit there is none.
type Rate struct {
	// Limit requests are allowed per Per, and Burst of them at once. A limit of 0 is none.
	Limit int           `koanf:"limit"`
	Per   time.Duration `koanf:"per"`
	Burst int           `koanf:"burst"`
}

// Verdict is the answer of a Limiter.
type Verdict struct {
	Allowed bool
	// Limit and Remaining are what the RateLimit fields of an answer say.
	Limit, Remaining int
	// ResetAfter is when the full burst is there again; RetryAfter is when the same cost would be allowed, zero when it was.
	ResetAfter, RetryAfter time.Duration
}

// Limiter decides by the generic cell rate algorithm. An implementation in SQL is exact across replicas, for what protects a secret;
// one in process protects capacity.
type Limiter interface {
	Allow(ctx context.Context, key string, rate Rate, cost int) (Verdict, error)
}
