package revocation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database/lease"
)

// Leases gives work to one replica at a time.
type Leases interface {
	// Hold runs fn while it holds a lease; lease.ErrHeld when another has it.
	Hold(ctx context.Context, name string, ttl time.Duration, fn func(ctx context.Context) error) error
}

// PublisherConfig is what a Publisher needs; everything is required.
type PublisherConfig struct {
	Store    ListStore
	InTx     func(ctx context.Context, fn func(context.Context) error) error
	Issuers  Issuers
	Leases   Leases
	Events   Events
	Log      *slog.Logger
	Now      func() time.Time
	Settings Settings
	// Tenants lists tenants: up to limit, in order, after the given one.
	Tenants func(ctx context.Context, after string, limit int) ([]string, error)
	// Also is done for each CA every minute on the replica that publishes.
	Also func(ctx context.Context, issuer *Issuer) error
	// AlsoTenant is done for each tenant every minute on the replica that publishes.
	AlsoTenant func(ctx context.Context, tenant string) error
}

// How the publishing replica works.
const (
	publishLease = "ca-revocation"
	publishTTL   = 5 * time.Second // another replica takes over after it: a revocation is published within 10 s even then
	takeover     = time.Second     // how often the others look whether it is free
	everything   = time.Minute     // how often all CAs are looked at
	pageOfCAs    = 100

	reading  = 10 * time.Minute // how long a list that was superseded can still be read, by those who have begun
	building = time.Hour        // longer than any list takes to be made
)

// Publisher makes lists: those that a revocation has outdated, gathered over a short delay, and those that are due. One replica does; every
// replica runs it.
type Publisher struct {
	cfg PublisherConfig

	mu     sync.Mutex
	dirty  map[string]struct{} // tenants in which something was revoked; guarded by mu
	all    bool                // anything may have been; guarded by mu
	wakeup chan struct{}       // holds one token when there is something to do
}

// NewPublisher returns a Publisher; an error names what the configuration lacks.
func NewPublisher(cfg PublisherConfig) (*Publisher, error) {
	if cfg.Store == nil || cfg.InTx == nil || cfg.Issuers == nil || cfg.Leases == nil || cfg.Events == nil || cfg.Log == nil || cfg.Now == nil ||
		cfg.Tenants == nil || cfg.Also == nil || cfg.AlsoTenant == nil {
		return nil, errors.New("publisher: everything but Settings is required")
	}
	if problems := cfg.Settings.Validate(); len(problems) > 0 {
		return nil, fmt.Errorf("publisher: setting %s %s", problems[0].Path, problems[0].Message)
	}
	return &Publisher{cfg: cfg, dirty: map[string]struct{}{}, wakeup: make(chan struct{}, 1)}, nil
}

// Notice hears that something was revoked in a tenant, or with "" perhaps in any. It returns at once.
func (p *Publisher) Notice(tenant string) {
	p.mu.Lock()
	if tenant == "" {
		p.all = true
	} else {
		p.dirty[tenant] = struct{}{}
	}
	p.mu.Unlock()
	select {
	case p.wakeup <- struct{}{}:
	default:
	}
}

// noticed takes what was noticed.
func (p *Publisher) noticed() (tenants map[string]struct{}, all bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	tenants, all = p.dirty, p.all
	p.dirty, p.all = map[string]struct{}{}, false
	return tenants, all
}

// Run publishes until ctx ends, whenever this replica holds the lease.
func (p *Publisher) Run(ctx context.Context) {
	away := false
	for ctx.Err() == nil {
		err := p.cfg.Leases.Hold(ctx, publishLease, publishTTL, p.lead)
		failed := err != nil && !errors.Is(err, lease.ErrHeld) && ctx.Err() == nil
		if failed && !away {
			p.cfg.Log.Warn("revocation lists are not published by this replica for now", "error", err.Error())
		}
		away = failed
		wait(ctx, takeover)
	}
}

// lead publishes while the lease is held.
func (p *Publisher) lead(ctx context.Context) error {
	full := time.NewTicker(everything)
	defer full.Stop()
	p.Notice("") // whoever led before may have left something
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-full.C:
			p.Notice("")
			continue
		case <-p.wakeup:
		}
		wait(ctx, p.cfg.Settings.Delay) // what is revoked meanwhile goes into the same list
		tenants, all := p.noticed()
		p.round(ctx, tenants, all)
	}
}

// wait waits until ctx ends or the time is over.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// round looks at the CAs of some tenants, or of all. What fails is logged, and is tried again by the next round.
func (p *Publisher) round(ctx context.Context, tenants map[string]struct{}, all bool) {
	if !all {
		for tenant := range tenants {
			p.tenant(ctx, tenant, false)
		}
		return
	}
	for after := ""; ctx.Err() == nil; {
		page, err := p.cfg.Tenants(ctx, after, pageOfCAs)
		if err != nil {
			p.failed(ctx, "", "", err)
			return
		}
		if len(page) == 0 {
			return
		}
		for _, tenant := range page {
			p.tenant(ctx, tenant, true)
			after = tenant
		}
	}
}

// failed logs, and has the tenant looked at again.
func (p *Publisher) failed(ctx context.Context, tenant, ca string, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	p.cfg.Log.Error("publish revocations", "tenant", tenant, "ca", ca, "error", err.Error())
	if tenant != "" {
		p.Notice(tenant)
	}
}

// tenant looks at the CAs of one tenant.
func (p *Publisher) tenant(ctx context.Context, tenant string, also bool) {
	if also {
		p.failed(ctx, tenant, "", p.cfg.AlsoTenant(ctx, tenant))
		p.failed(ctx, tenant, "", p.cfg.Store.DropOrphans(ctx, tenant, p.cfg.Now().Add(-building)))
	}
	for after := ""; ctx.Err() == nil; {
		ids, err := p.cfg.Issuers.IDs(ctx, tenant, after, pageOfCAs)
		if err != nil {
			p.failed(ctx, tenant, "", err)
			return
		}
		for _, id := range ids {
			p.failed(ctx, tenant, id, p.authority(ctx, tenant, id, also))
			after = id
		}
		if len(ids) < pageOfCAs {
			return
		}
	}
}

// authority publishes what is due of one CA.
func (p *Publisher) authority(ctx context.Context, tenant, id string, also bool) error {
	issuer, err := p.cfg.Issuers.Issuer(ctx, tenant, id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil || !issuer.Signs || issuer.Manual {
		return err
	}
	var failures []error
	if also {
		now := p.cfg.Now()
		failures = append(failures, p.cfg.Also(ctx, issuer), p.cfg.Store.Discard(ctx, tenant, id, now.Add(-reading), now))
	}
	return errors.Join(append(failures, p.publish(ctx, issuer, false))...)
}
