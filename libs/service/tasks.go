package service

import (
	"context"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/database/idempotency"
	"github.com/cryptoutil/cryptoutil/libs/database/rewrap"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// How often what has expired is removed, by one replica.
const (
	sweepInterval = 10 * time.Minute
	purgeInterval = time.Minute
)

// tasks are what the platform does beside answering requests.
func (p *Platform) tasks() []func(context.Context) {
	tasks := []func(context.Context){
		p.logged("follow changes", p.Changes.Run),
		p.logged("keep audit trail", p.Audit.Run),
		p.logged("keep sessions", p.sessions.Run),
		p.tls.revocation.Run, p.tls.peers.Run, p.Federation.Run, p.operator.Run, p.dependencies.run, p.rewrap.Run,
		p.every("idempotency-sweep", sweepInterval, func(ctx context.Context) error { _, err := p.answers.Sweep(ctx); return err }),
		p.every("rate-limit-sweep", sweepInterval, func(ctx context.Context) error { _, err := p.limiter.Sweep(ctx); return err }),
		p.every("change-sweep", sweepInterval, func(ctx context.Context) error { _, err := changes.Sweep(ctx, p.DB, p.Now()); return err }),
		p.every("approval-sweep", sweepInterval, p.Approvals.Sweep),
		p.every("tenant-purge", purgeInterval, p.tenants.Purge),
	}
	for _, material := range p.tls.all() {
		tasks = append(tasks, material.Run)
	}
	if p.file != nil {
		tasks = append(tasks, p.file.Run)
	}
	return tasks
}

// logged is a task that says why it ended before it should.
func (p *Platform) logged(name string, run func(context.Context) error) func(context.Context) {
	return func(ctx context.Context) {
		if err := run(ctx); err != nil && ctx.Err() == nil {
			p.Log.Error("a task has ended; restart the service", "task", name, "error", err)
		}
	}
}

// every is work for one replica at a time.
func (p *Platform) every(name string, interval time.Duration, do func(context.Context) error) func(context.Context) {
	return p.logged(name, func(ctx context.Context) error { return p.Leases.Every(ctx, name, interval, do) })
}

func (p *Platform) openRewrap(values []rewrap.Source, transient []string) (err error) {
	p.rewrap, err = rewrap.New(rewrap.Config{
		DB: p.DB, Store: p.store, Barrier: p.Barrier, Lease: p.Leases, Now: p.Now, Log: p.Log, Sources: append(p.values(), values...),
		Transient: append([]string{idempotency.Purpose}, transient...),
	})
	return err
}

// rewrapping is the re-wrapper with the server's types.
type rewrapping struct{ rewrapper *rewrap.Rewrapper }

// Start implements server.Rewrapping.
func (r rewrapping) Start(ctx context.Context, retire bool) (server.RewrapReport, error) {
	status, err := r.rewrapper.Start(ctx, retire)
	return reportOf(status), err
}

// Status implements server.Rewrapping.
func (r rewrapping) Status(ctx context.Context) (server.RewrapReport, error) {
	status, err := r.rewrapper.Status(ctx)
	return reportOf(status), err
}

func reportOf(status rewrap.Status) server.RewrapReport {
	report := server.RewrapReport{Run: status.Run, Finished: status.Finished, Sources: []server.RewrapSource{}}
	for _, source := range status.Sources {
		one := server.RewrapSource{
			Source: source.Source, Scanned: source.Scanned, Rewrapped: source.Rewrapped, Failed: source.Failed, Failure: source.Failure,
			StartedAt: server.Instant(source.StartedAt), UpdatedAt: server.Instant(source.UpdatedAt),
		}
		if !source.FinishedAt.IsZero() {
			finished := server.Instant(source.FinishedAt)
			one.FinishedAt = &finished
		}
		report.Sources = append(report.Sources, one)
	}
	return report
}

// values are the platform's own tables with values that the barrier has wrapped.
func (p *Platform) values() []rewrap.Source {
	return append(p.directory.Values(), p.sessions.Values(), p.Audit.Values())
}
