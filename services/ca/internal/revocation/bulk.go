package revocation

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/access"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/reason"
)

// MaxBulk bounds how many certificates one order revokes. Who gets as many asks again.
const MaxBulk = 1000

// RevokeAll revokes up to MaxBulk certificates of a selection that are not revoked, each in a transaction of its own, and returns their serial
// numbers, also with an error: what was done is done. Asked again it goes on. more tells that there are others.
func (r *Registry) RevokeAll(ctx context.Context, caller access.Caller, of Selection, why reason.Reason) (serials []string, more bool, err error) {
	if err := access.Decide(caller, access.Revoke); err != nil {
		return nil, false, err
	}
	if err := of.check(); err != nil {
		return nil, false, err
	}
	found, err := r.store.Selected(ctx, caller.Tenant, of, "", MaxBulk+1)
	if err != nil {
		return nil, false, fmt.Errorf("select certificates: %w", err)
	}
	if len(found) > MaxBulk {
		found, more = found[:MaxBulk], true
	}
	for _, serial := range found {
		_, err := r.RevokeDecided(ctx, caller.Tenant, Order{Serial: serial, Reason: why})
		if problem.Is(err, codeAlreadyRevoked) {
			continue // by somebody else meanwhile
		}
		if err != nil {
			return serials, more, fmt.Errorf("after %d of %d certificates: %w", len(serials), len(found), err)
		}
		serials = append(serials, serial)
	}
	return serials, more, nil
}

func (s Selection) check() error {
	if (s.Lineage == "") == (s.SPKISHA256 == nil) {
		return problem.New(problem.ValidationFailed, "select by lineage or by public key")
	}
	if s.Lineage != "" {
		if _, err := certificate.ParseSerial(s.Lineage); err != nil {
			return problem.New(problem.ValidationFailed, "the lineage is no serial number: %v", err)
		}
		return nil
	}
	if len(s.SPKISHA256) != sha256.Size {
		return problem.New(problem.ValidationFailed, "the SHA-256 of a public key has %d bytes", sha256.Size)
	}
	return nil
}

// abandonedBatch is how many intended certificates are looked for at once.
const abandonedBatch = 100

// RevokeAbandoned revokes the certificates of a tenant that were intended before a time and never completed: a crash came between, and nobody knows
// whether they were signed. It returns how many.
func (r *Registry) RevokeAbandoned(ctx context.Context, tenant string, before time.Time) (int, error) {
	total := 0
	for {
		serials, err := r.store.Abandoned(ctx, tenant, before, abandonedBatch)
		if err != nil {
			return total, fmt.Errorf("look for abandoned certificates: %w", err)
		}
		for _, serial := range serials {
			err := r.abandon(ctx, tenant, serial)
			if err != nil && !errors.Is(err, ErrStale) {
				return total, fmt.Errorf("revoke abandoned certificate %s: %w", serial, err)
			}
			if err == nil {
				total++
			}
		}
		if len(serials) < abandonedBatch {
			return total, nil
		}
	}
}

// abandon revokes one if it is still intended. Nobody was given it.
func (r *Registry) abandon(ctx context.Context, tenant, serial string) error {
	return r.store.InTx(ctx, func(ctx context.Context) error {
		before, err := r.store.Status(ctx, tenant, serial)
		if err != nil {
			return err
		}
		if before.State != Intended {
			return ErrStale
		}
		after := before
		after.State, after.RevokedAt, after.Reason = Revoked, r.instant(), reason.CessationOfOperation
		if err := r.record(ctx, ActionRevoke, after); err != nil {
			return err
		}
		return r.store.Revoke(ctx, before, after)
	})
}
