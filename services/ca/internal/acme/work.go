package acme

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// validators and issuers are how many jobs of each kind one replica works on at the same time.
	validators = 32
	issuers    = 8
	// queued is how many wait in memory; further ones are found in the database.
	queued = 1024
	// claim is how long a job is somebody's alone: longer than it can take.
	claim = time.Minute
	// defaultJob bounds one job, and noteTime what is stored about it then: together they are shorter than a claim.
	defaultJob = 45 * time.Second
	noteTime   = 10 * time.Second
	// headStart is how long the replica that took a request has for its job before others look for it.
	headStart = 2 * time.Second
	// batch is how many due jobs of a tenant are looked up at once.
	batch = 100
)

// job is an authorization or an order that is due.
type job struct {
	tenant, id string
	own        bool            // this replica took the request
	done       chan<- struct{} // closed when it was worked on; nil where nobody waits
}

// dueBy is until when a job may be due that is claimed now.
func (j job) dueBy(now time.Time) time.Time {
	if j.own {
		return now.Add(headStart)
	}
	return now
}

// queue is the jobs that this replica has heard of. What it loses, or was never told, is found in the database.
type queue struct {
	authorizations, orders chan job
}

func newQueue() *queue {
	return &queue{authorizations: make(chan job, queued), orders: make(chan job, queued)}
}

// validate has an authorization worked on soon.
func (q *queue) validate(j job) {
	select {
	case q.authorizations <- j:
	default:
	}
}

// enqueue has an order worked on soon, or says that there are too many.
func (q *queue) enqueue(j job) bool {
	select {
	case q.orders <- j:
		return true
	default:
		return false
	}
}

// issue has an order worked on, and waits for that until ctx ends.
func (q *queue) issue(ctx context.Context, j job) {
	done := make(chan struct{})
	j.done = done
	if !q.enqueue(j) {
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// Run works on challenges and orders until ctx ends, and returns when what was begun is finished or given up. Any number of replicas may run.
func (s *Server) Run(ctx context.Context) {
	var workers sync.WaitGroup
	for range validators {
		workers.Go(func() { s.serve(ctx, s.work.authorizations, s.validateDue) })
	}
	for range issuers {
		workers.Go(func() { s.serve(ctx, s.work.orders, s.issueDue) })
	}
	s.poll(ctx)
	workers.Wait()
}

// serve does jobs one after the other.
func (s *Server) serve(ctx context.Context, jobs <-chan job, do func(context.Context, job) error) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-jobs:
			s.doJob(ctx, j, do)
		}
	}
}

func (s *Server) doJob(ctx context.Context, j job, do func(context.Context, job) error) {
	if j.done != nil {
		defer close(j.done)
	}
	ctx, cancel := context.WithTimeout(ctx, s.jobTime)
	defer cancel()
	err := do(ctx, j)
	if err != nil && !errors.Is(err, context.Canceled) { // the claim ends, and then it is tried again
		s.log.WarnContext(ctx, "ACME work failed; it is tried again", "tenant", j.tenant, "id", j.id, "error", err)
	}
}

func (s *Server) validateDue(ctx context.Context, j job) error {
	now := s.now()
	a, err := s.store.ClaimAuthorization(ctx, j.tenant, j.id, j.dueBy(now), now.Add(claim))
	if errors.Is(err, ErrStale) { // somebody else works on it, or has
		return nil
	}
	if err != nil {
		return err
	}
	again, err := s.validate(ctx, a)
	s.later(again, func() { s.work.validate(job{tenant: j.tenant, id: j.id}) })
	return err
}

func (s *Server) issueDue(ctx context.Context, j job) error {
	now := s.now()
	order, err := s.store.ClaimOrder(ctx, j.tenant, j.id, j.dueBy(now), now.Add(claim))
	if errors.Is(err, ErrStale) {
		return nil
	}
	if err != nil {
		return err
	}
	again, err := s.fulfil(ctx, order)
	s.later(again, func() { s.work.enqueue(job{tenant: j.tenant, id: j.id}) })
	return err
}

// later does something at a time, unless that is zero; if this replica is gone by then, others find the job in the database.
func (s *Server) later(at time.Time, do func()) {
	if !at.IsZero() {
		time.AfterFunc(at.Sub(s.now()), do)
	}
}

// poll finds what others have left, and what is to be tried again.
func (s *Server) poll(ctx context.Context) {
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := s.findDue(ctx); err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "ACME work could not be looked up", "error", err)
			}
		}
	}
}

func (s *Server) findDue(ctx context.Context) error {
	return s.eachTenant(ctx, func(ctx context.Context, tenant string) error {
		now := s.now()
		ids, err := s.store.DueAuthorizations(ctx, tenant, now, batch)
		if err != nil {
			return err
		}
		for _, id := range ids {
			s.work.validate(job{tenant: tenant, id: id})
		}
		if ids, err = s.store.DueOrders(ctx, tenant, now, batch); err != nil {
			return err
		}
		for _, id := range ids {
			s.work.enqueue(job{tenant: tenant, id: id})
		}
		return nil
	})
}

// eachTenant goes through the tenants in order.
func (s *Server) eachTenant(ctx context.Context, fn func(ctx context.Context, tenant string) error) error {
	for after := ""; ; {
		found, err := s.tenants(ctx, after, batch)
		if err != nil || len(found) == 0 {
			return err
		}
		for _, tenant := range found {
			if err := fn(ctx, tenant); err != nil {
				return err
			}
			after = tenant
		}
	}
}

// kept is how long orders and authorizations that came to nothing are kept after they have expired.
const kept = 30 * 24 * time.Hour

// Sweep deletes what has expired, of all tenants. One replica at a time is enough.
func (s *Server) Sweep(ctx context.Context) error {
	return s.eachTenant(ctx, func(ctx context.Context, tenant string) error {
		for {
			const most = 500
			n, err := s.store.Sweep(ctx, tenant, s.now(), s.now().Add(-kept), most)
			if err != nil || n < most {
				return err
			}
		}
	})
}
