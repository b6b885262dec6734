package hierarchy

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/naming"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/access"
)

// Update changes what may change of a CA, if it still is at the revision that the caller has seen. change works on a copy.
func (h *Hierarchy) Update(ctx context.Context, caller access.Caller, ref naming.Ref, revision int64, change func(*CA) error) (CA, error) {
	if err := access.Decide(caller, access.Manage); err != nil {
		return CA{}, err
	}
	ca, err := h.find(ctx, caller.Tenant, ref)
	if err != nil {
		return CA{}, err
	}
	if ca.Revision != revision {
		return CA{}, problem.New(problem.PreconditionFailed, "the CA has changed since; read it again")
	}
	ca.Profiles = slices.Clone(ca.Profiles)
	if err := change(&ca); err != nil {
		return CA{}, err
	}
	if err := ca.check(); err != nil {
		return CA{}, err
	}
	ca.UpdatedAt = h.instant()
	return h.save(ctx, ca, ActionUpdate)
}

// save stores a changed CA with its event.
func (h *Hierarchy) save(ctx context.Context, ca CA, action string) (saved CA, err error) {
	err = h.store.InTx(ctx, func(ctx context.Context) error {
		if saved, err = h.store.UpdateCA(ctx, ca); err != nil {
			return err
		}
		return h.events.Record(ctx, Event{Tenant: ca.Tenant, Action: action, CAID: ca.ID})
	})
	if errors.Is(err, ErrStale) {
		return CA{}, problem.New(problem.Conflict, "the CA changed meanwhile; try again")
	}
	return saved, err
}

// Succeed makes another CA take over at a time. Both publish and sign what they must for what they have issued.
func (h *Hierarchy) Succeed(ctx context.Context, caller access.Caller, old, successor CA, at time.Time) (CA, error) {
	if err := access.Decide(caller, access.Manage); err != nil {
		return CA{}, err
	}
	switch {
	case old.SuccessorID != "":
		return CA{}, problem.New(problem.InvalidState, "CA %q has a successor already: %s", old.Name, old.SuccessorID)
	case old.Status != Active:
		return CA{}, errState(old, "be succeeded", string(Active))
	case successor.Kind != old.Kind || successor.Family != old.Family || successor.ID == old.ID:
		return CA{}, problem.New("key_mismatch", "a successor is another CA of the same kind and family")
	}
	old.SuccessorID, old.SucceededAt, old.UpdatedAt = successor.ID, at.UTC().Truncate(time.Microsecond), h.instant()
	return h.save(ctx, old, ActionSucceed)
}

// Retire ends issuance: the CA still signs revocations.
func (h *Hierarchy) Retire(ctx context.Context, caller access.Caller, ref naming.Ref) (CA, error) {
	return h.moveRef(ctx, caller, ref, retire())
}

// Resume takes a retirement back.
func (h *Hierarchy) Resume(ctx context.Context, caller access.Caller, ref naming.Ref) (CA, error) {
	return h.moveRef(ctx, caller, ref, resume())
}

// Destroy deletes the key of a CA that has signed nothing that is still valid.
func (h *Hierarchy) Destroy(ctx context.Context, caller access.Caller, ref naming.Ref) (CA, error) {
	return h.moveRef(ctx, caller, ref, destroy())
}

func (h *Hierarchy) moveRef(ctx context.Context, caller access.Caller, ref naming.Ref, t Transition) (CA, error) {
	if err := access.Decide(caller, access.Manage); err != nil {
		return CA{}, err
	}
	ca, err := h.find(ctx, caller.Tenant, ref)
	if err != nil {
		return CA{}, err
	}
	now := h.instant()
	var moved CA
	err = h.store.InTx(ctx, func(ctx context.Context) error {
		if t.To == Destroyed {
			needed, err := h.store.Unexpired(ctx, ca.Tenant, ca.ID, now)
			if err != nil {
				return err
			}
			if needed {
				return problem.New(problem.InvalidState, "certificates of CA %q are still valid: their revocation would need its key", ca.Name)
			}
		}
		if moved, err = h.move(ctx, ca, t, now); err != nil {
			return err
		}
		return h.events.Record(ctx, Event{Tenant: ca.Tenant, Action: "ca." + t.Action, CAID: ca.ID})
	})
	return moved, err
}

// move changes the state, or says why it cannot.
func (h *Hierarchy) move(ctx context.Context, ca CA, t Transition, now time.Time) (CA, error) {
	if !slices.Contains(t.From, ca.Status) {
		from := make([]string, len(t.From))
		for i, s := range t.From {
			from[i] = string(s)
		}
		return CA{}, errState(ca, t.Action, strings.Join(from, " or "))
	}
	moved, err := h.store.MoveCA(ctx, ca, t, now)
	if errors.Is(err, ErrStale) {
		return CA{}, problem.New(problem.Conflict, "the CA changed meanwhile; try again")
	}
	if err != nil {
		return CA{}, fmt.Errorf("%s CA: %w", t.Action, err)
	}
	return moved, nil
}

// hexSerial is a serial number as the API writes it: lower-case hexadecimal of even length.
func hexSerial(n *big.Int) string { return hex.EncodeToString(n.Bytes()) }
