package revocation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/access"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/reason"
)

// Actions of events.
const (
	ActionRevoke  = "certificate.revoke"
	ActionRelease = "certificate.release"
	ActionPublish = "crl.publish"
	ActionRenew   = "ocsp_responder.renew"
)

// Event is something that was done.
type Event struct {
	Tenant string
	Action string
	// CAID and Serial are what it was done to; without a serial number, the CA.
	CAID, Serial string
	// Detail says what else matters: the reason, or the number of a list.
	Detail string
}

// Events records what is done, in the transaction of the change.
type Events interface {
	// Record stores an event; an error must undo the change.
	Record(ctx context.Context, event Event) error
}

// Registry revokes certificates. It is safe for concurrent use.
type Registry struct {
	store   CertificateStore
	issuers Issuers
	events  Events
	now     func() time.Time
}

// NewRegistry returns a Registry; everything is required.
func NewRegistry(store CertificateStore, issuers Issuers, events Events, now func() time.Time) (*Registry, error) {
	if store == nil || issuers == nil || events == nil || now == nil {
		return nil, errors.New("revocation: store, issuers, events and clock are required")
	}
	return &Registry{store: store, issuers: issuers, events: events, now: now}, nil
}

// Status returns what is known of a certificate.
func (r *Registry) Status(ctx context.Context, caller access.Caller, serial string) (Certificate, error) {
	if err := access.Decide(caller, access.Read); err != nil {
		return Certificate{}, err
	}
	return r.find(ctx, caller.Tenant, serial)
}

func (r *Registry) find(ctx context.Context, tenant, serial string) (Certificate, error) {
	if _, err := certificate.ParseSerial(serial); err != nil {
		return Certificate{}, errNoCertificate()
	}
	c, err := r.store.Status(ctx, tenant, serial)
	if errors.Is(err, ErrNotFound) {
		return Certificate{}, errNoCertificate()
	}
	return c, err
}

func errNoCertificate() error { return problem.New(problem.NotFound, "no such certificate") }

// Revoke revokes a certificate. Asked again for the same reason it changes nothing; the reason can only become a graver one.
func (r *Registry) Revoke(ctx context.Context, caller access.Caller, order Order) (Certificate, error) {
	if err := access.Decide(caller, access.Revoke); err != nil {
		return Certificate{}, err
	}
	return r.RevokeDecided(ctx, caller.Tenant, order)
}

// RevokeDecided is Revoke for who has decided that it may be done, as where the holder of the key asks (RFC 8555 section 7.6).
func (r *Registry) RevokeDecided(ctx context.Context, tenant string, order Order) (revoked Certificate, err error) {
	now := r.instant()
	if order.InvalidAt.After(now) {
		return Certificate{}, problem.New(problem.ValidationFailed, "the invalidity date is in the future")
	}
	err = r.store.InTx(ctx, func(ctx context.Context) error {
		revoked, err = r.revoke(ctx, tenant, order, now)
		return err
	})
	if errors.Is(err, ErrStale) {
		return Certificate{}, problem.New(problem.Conflict, "the certificate changed meanwhile; try again")
	}
	if err != nil {
		return Certificate{}, fmt.Errorf("revoke certificate: %w", err)
	}
	return revoked, nil
}

// revoke does it in a transaction.
func (r *Registry) revoke(ctx context.Context, tenant string, order Order, now time.Time) (Certificate, error) {
	before, err := r.find(ctx, tenant, order.Serial)
	if err != nil {
		return Certificate{}, err
	}
	issuer, err := r.issuers.Issuer(ctx, tenant, before.CAID)
	if err != nil {
		return Certificate{}, fmt.Errorf("load the issuer: %w", err)
	}
	if err := checkReason(issuer.Family, before.Authority, order.Reason); err != nil {
		return Certificate{}, err
	}
	after := before
	after.State, after.Reason = Revoked, order.Reason
	if !order.InvalidAt.IsZero() {
		after.InvalidAt = order.InvalidAt.UTC().Truncate(time.Second)
	}
	switch {
	case before.State != Revoked:
		after.RevokedAt = now
	case before.Reason == order.Reason:
		return before, nil
	case !amends(before.Reason, order.Reason):
		return Certificate{}, problem.New(codeAlreadyRevoked, "the certificate was revoked at %s for %s, which does not become %s",
			before.RevokedAt.UTC().Format(time.RFC3339), before.Reason, order.Reason)
	}
	if order.Reason == reason.KeyCompromise {
		if err := r.store.BlockKey(ctx, tenant, before.SPKISHA256, "compromised: certificate "+before.Serial, now); err != nil {
			return Certificate{}, err
		}
	}
	if err := r.record(ctx, ActionRevoke, after); err != nil {
		return Certificate{}, err
	}
	return after, r.store.Revoke(ctx, before, after) // last: others wait for its locks
}

func (r *Registry) record(ctx context.Context, action string, c Certificate) error {
	return r.events.Record(ctx, Event{Tenant: c.Tenant, Action: action, CAID: c.CAID, Serial: c.Serial, Detail: c.Reason.String()})
}

// Release takes back a suspension: the certificate is valid again, and deltas say so (removeFromCRL).
func (r *Registry) Release(ctx context.Context, caller access.Caller, serial string) (Certificate, error) {
	if err := access.Decide(caller, access.Revoke); err != nil {
		return Certificate{}, err
	}
	var released Certificate
	err := r.store.InTx(ctx, func(ctx context.Context) error {
		c, err := r.find(ctx, caller.Tenant, serial)
		if err != nil {
			return err
		}
		if c.State != Revoked || c.Reason != reason.CertificateHold {
			return problem.New(problem.InvalidState, "only a certificate that was revoked for certificateHold is released")
		}
		released = c
		released.State, released.RevokedAt, released.InvalidAt, released.Reason = Issued, time.Time{}, time.Time{}, reason.Unspecified
		if err := r.record(ctx, ActionRelease, c); err != nil {
			return err
		}
		return r.store.Release(ctx, c, r.instant())
	})
	if errors.Is(err, ErrStale) {
		return Certificate{}, problem.New(problem.Conflict, "the certificate changed meanwhile; try again")
	}
	if err != nil {
		return Certificate{}, fmt.Errorf("release certificate: %w", err)
	}
	return released, nil
}

// instant is the present time at the precision that is stored.
func (r *Registry) instant() time.Time { return r.now().UTC().Truncate(time.Microsecond) }
