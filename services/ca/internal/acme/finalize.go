package acme

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Finalize takes the certificate signing request of an order that is ready, and waits a moment for the certificate (RFC 8555 section 7.4).
func (s *Server) Finalize(ctx context.Context, m *Message, id string) (Order, error) {
	order, err := s.order(ctx, m, id)
	if err != nil {
		return Order{}, err
	}
	var ask struct {
		CSR string `json:"csr"`
	}
	if err := m.decode(&ask); err != nil {
		return Order{}, err
	}
	now := s.now()
	if state, _ := order.State(now); state != OrderReady {
		return Order{}, NewError(OrderNotReady, "the order is %s", state)
	}
	der, err := decodeBytes("csr", ask.CSR)
	if err != nil {
		return Order{}, err
	}
	if err := checkCSR(der, order.Names, m.Account.Thumbprint); err != nil {
		return Order{}, err
	}
	if err := s.recheckCAA(ctx, m, order); err != nil {
		return Order{}, err
	}
	order.Status, order.CSR, order.DueAt, order.UpdatedAt = OrderProcessing, der, now.Add(headStart), now
	err = s.change(ctx, m, func(ctx context.Context) error {
		if err := s.store.UpdateOrder(ctx, order); err != nil {
			return changedMeanwhile(err)
		}
		return s.record(ctx, order.Tenant, ActionOrderFinalize, ObjectOrder, order.ID, order.Profile)
	})
	if err != nil {
		return Order{}, err
	}
	patience, cancel := context.WithTimeout(ctx, s.quick)
	defer cancel()
	s.work.issue(patience, job{tenant: order.Tenant, id: order.ID, own: true})
	return s.settled(ctx, patience, m, id)
}

// glance is how often an order is looked at that another replica works on.
const glance = 100 * time.Millisecond

// settled reads an order as soon as nobody works on it any more, or when patience ends.
func (s *Server) settled(ctx, patience context.Context, m *Message, id string) (Order, error) {
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for {
		order, err := s.order(ctx, m, id)
		if err != nil || order.Status != OrderProcessing || patience.Err() != nil {
			return order, err
		}
		select {
		case <-tick.C:
		case <-patience.Done():
		}
	}
}

// caaAge is how old the answer about CAA records may be when a certificate is issued: an hour less than the eight that the Baseline Requirements allow
// (section 3.2.2.8).
const caaAge = 7 * time.Hour

// recheckCAA asks again about names whose proof is not of today.
func (s *Server) recheckCAA(ctx context.Context, m *Message, order Order) error {
	if len(m.Site.Directory.CAA) == 0 {
		return nil
	}
	var problems []Error
	for _, a := range order.Authorizations {
		proof := proofOf(&a)
		if proof == nil {
			return fmt.Errorf("authorization %s is valid without a valid challenge", a.ID)
		}
		if proof.ValidatedAt != nil && s.now().Sub(*proof.ValidatedAt) < caaAge {
			continue
		}
		if _, err := s.validator.Allowed(ctx, attemptOf(m.Site.Directory, a, *proof)); err != nil {
			problems = append(problems, *fromValidation(err, a.Identifier))
		}
	}
	if refusal := combined(problems); refusal != nil {
		return refusal
	}
	return nil
}

// fulfil makes the certificate of an order that the caller has claimed, and says when that must be tried again; zero for never.
func (s *Server) fulfil(ctx context.Context, order Order) (again time.Time, err error) {
	remotes := -1
	for _, a := range order.Authorizations {
		if remotes < 0 || a.Remotes < remotes {
			remotes = a.Remotes
		}
	}
	order.Attempts++
	err = s.issuer.Issue(ctx, Issuance{
		Application: order.application(), Order: order.ID, CSR: order.CSR, Replaces: serialIn(order.Replaces), Remotes: max(remotes, 0),
	}, func(ctx context.Context, serial string) error {
		done := order
		done.Status, done.Serial, done.DueAt, done.UpdatedAt = OrderValid, serial, time.Time{}, s.now()
		return s.finish(ctx, done)
	})
	switch {
	case err == nil, errors.Is(err, ErrStale): // it was given to somebody else
		return again, nil
	case errors.Is(ctx.Err(), context.Canceled): // shutting down: it is due for somebody else
		return again, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
	defer cancel()
	order.DueAt, order.UpdatedAt = time.Time{}, s.now()
	refusal, refused := errors.AsType[*Error](err)
	switch {
	case refused && refusal.Type != ServerInternal:
		order.Status, order.Error = OrderInvalid, refusal
	case order.Attempts > len(s.retries):
		s.log.ErrorContext(ctx, "certificate not issued", "order", order.ID, "error", err)
		order.Status, order.Error = OrderInvalid, NewError(ServerInternal, "the certificate could not be issued")
	default:
		s.log.WarnContext(ctx, "certificate not issued; it is tried again", "order", order.ID, "error", err)
		order.DueAt = order.UpdatedAt.Add(s.retries[order.Attempts-1])
	}
	if err = s.finish(ctx, order); errors.Is(err, ErrStale) {
		return again, nil
	}
	return order.DueAt, err
}

// finish stores what has come of an order, in the transaction of ctx if there is one. ErrStale says that the claim on it has ended.
func (s *Server) finish(ctx context.Context, order Order) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.store.UpdateOrder(ctx, order); err != nil || order.Status == OrderProcessing {
			return err
		}
		return s.record(ctx, order.Tenant, ActionOrderPrefix+string(order.Status), ObjectOrder, order.ID, order.Serial)
	})
}

// Certificate reads the certificate of one of the account's orders, in one of its chains, and says how many there are (RFC 8555 section 7.4.2).
func (s *Server) Certificate(ctx context.Context, m *Message, serial string, chain int) (Chain, int, error) {
	if err := m.MustRead(); err != nil {
		return nil, 0, err
	}
	if !isSerial(serial) {
		return nil, 0, notFound("certificate")
	}
	order, err := s.store.OrderBySerial(ctx, m.Site.Tenant, serial)
	if errors.Is(err, ErrNotFound) || err == nil && (order.Account != m.Account.ID || order.Directory != m.Site.Directory.Name) {
		return nil, 0, notFound("certificate")
	}
	if err != nil {
		return nil, 0, fmt.Errorf("look up order of certificate: %w", err)
	}
	chains, err := s.issuer.Chains(ctx, m.Site.Tenant, serial)
	if errors.Is(err, ErrNotFound) || err == nil && (chain < 0 || chain >= len(chains)) {
		return nil, 0, notFound("certificate")
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read chains: %w", err)
	}
	return chains[chain], len(chains), nil
}
