package acme

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database/ratelimit"
)

// Limit is something that clients can do only so often.
type Limit string

// The limits.
const (
	NewAccounts Limit = "new-account" // by address of the client
	NewOrders   Limit = "new-order"   // by account
	Validations Limit = "validation"  // by account and identifier
)

// Limits counts across all replicas. It is called outside of transactions.
type Limits interface {
	// Spend takes one of what the subject has left; otherwise it says after what time there is one again.
	Spend(ctx context.Context, limit Limit, tenant, subject string) (after time.Duration, err error)
}

// spend takes one of what a subject has left, or refuses.
func (s *Server) spend(ctx context.Context, site Site, limit Limit, subject string) error {
	after, err := s.limits.Spend(ctx, limit, site.Tenant, site.Directory.Name+"/"+subject)
	if err != nil {
		return fmt.Errorf("look up limit %s: %w", limit, err)
	}
	if after > 0 {
		refusal := NewError(RateLimited, "too many requests (%s)", limit)
		refusal.RetryAfter = after
		return refusal
	}
	return nil
}

// Rates are limits in SQL.
type Rates struct {
	limiter *ratelimit.Limiter
	rates   map[Limit]ratelimit.Rate
}

// Unless others are given: what a large installation behind one address does in a day of renewals, and no more.
var defaultRates = map[Limit]ratelimit.Rate{
	NewAccounts: {Limit: 600, Per: 3 * time.Hour, Burst: 600},
	NewOrders:   {Limit: 3000, Per: 3 * time.Hour, Burst: 3000},
	Validations: {Limit: 120, Per: time.Hour, Burst: 120},
}

// NewRates makes limits; a rate that is not given is the default one.
func NewRates(limiter *ratelimit.Limiter, rates map[Limit]ratelimit.Rate) (*Rates, error) {
	if limiter == nil {
		return nil, errors.New("new ACME limits: a limiter is required")
	}
	all := make(map[Limit]ratelimit.Rate, len(defaultRates))
	for limit, rate := range defaultRates {
		all[limit] = rate
		if given, ok := rates[limit]; ok {
			all[limit] = given
		}
	}
	return &Rates{limiter: limiter, rates: all}, nil
}

// Spend implements Limits.
func (r *Rates) Spend(ctx context.Context, limit Limit, tenant, subject string) (time.Duration, error) {
	verdict, err := r.limiter.Allow(ctx, "acme/"+string(limit)+"/"+tenant+"/"+subject, r.rates[limit], 1)
	if err != nil || verdict.Allowed {
		return 0, err
	}
	return max(verdict.RetryAfter, time.Second), nil
}
