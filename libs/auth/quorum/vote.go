package quorum

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Verdicts of an approver.
const (
	verdictApprove = "approve"
	verdictReject  = "reject"
)

// Approve says yes. With the last approval that is needed the request is approved.
func (a *Approvals) Approve(ctx context.Context, by *server.Principal, id string) (Request, error) {
	return a.vote(ctx, by, id, verdictApprove, `
		UPDATE approval_requests
		SET approvals = approvals + 1, state = CASE WHEN approvals + 1 >= approvals_needed THEN 'approved' ELSE 'pending' END, updated_at = $3
		WHERE tenant_id = $1 AND id = $2 AND state = 'pending' AND expires_at > $3
			AND NOT (requester_kind = $4 AND requester_id = $5) AND requester_owner <> $5
		RETURNING `+requestColumns)
}

// Reject says no, also after others have approved, as long as the request is not used. One rejection ends it.
func (a *Approvals) Reject(ctx context.Context, by *server.Principal, id string) (Request, error) {
	return a.vote(ctx, by, id, verdictReject, `
		UPDATE approval_requests
		SET state = 'rejected', updated_at = $3
		WHERE tenant_id = $1 AND id = $2 AND state IN ('pending', 'approved') AND expires_at > $3
			AND NOT (requester_kind = $4 AND requester_id = $5) AND requester_owner <> $5
		RETURNING `+requestColumns)
}

// vote stores a verdict. The row of the request is changed first, and so locked, and then that of the approver, who has said nothing yet.
func (a *Approvals) vote(ctx context.Context, by *server.Principal, id, verdict, move string) (Request, error) {
	seen, err := a.Get(ctx, by, id)
	if err != nil {
		return Request{}, err
	}
	if err := mayVote(by, seen); err != nil {
		return Request{}, err
	}
	r, err := a.change(ctx, by, "approval."+verdict, func(ctx context.Context) (Request, error) {
		now := a.instant()
		if _, err := scan(a.db.QueryRow(ctx, move, by.Tenant, id, database.Micros(now), by.Kind, by.ID), now); err != nil {
			return Request{}, err
		}
		result, err := a.db.Exec(ctx, `
			UPDATE approval_votes SET vote = $4, voted_at = $5
			WHERE tenant_id = $1 AND request_id = $2 AND approver_id = $3 AND vote = ''`, by.Tenant, id, by.ID, verdict, database.Micros(now))
		if err != nil {
			return Request{}, fmt.Errorf("store verdict: %w", err)
		}
		if n, err := result.RowsAffected(); err != nil || n != 1 {
			return Request{}, errors.Join(err, errVoted)
		}
		return a.read(ctx, by.Tenant, id)
	})
	switch {
	case errors.Is(err, errVoted):
		return Request{}, problem.New(problem.Conflict, "you have said what you think of this request already")
	case errors.Is(err, sql.ErrNoRows):
		return Request{}, a.ended(ctx, by, id, verdict)
	case err != nil:
		return Request{}, fmt.Errorf("%s request: %w", verdict, err)
	}
	return r, nil
}

var errVoted = errors.New("the approver has voted")

// mayVote tells early, and by name, what the statements hold to.
func mayVote(by *server.Principal, r Request) error {
	switch {
	case !by.Person():
		return problem.New(problem.Forbidden, "people approve and reject, not programs")
	case r.isBy(by) || r.RequesterOwner == by.ID:
		return problem.New(problem.Forbidden, "who asks does not approve")
	case !r.isFor(by):
		return problem.New(problem.Forbidden, "the request names other approvers")
	}
	return nil
}

// Cancel takes a request back. Only who made it can.
func (a *Approvals) Cancel(ctx context.Context, by *server.Principal, id string) (Request, error) {
	seen, err := a.Get(ctx, by, id)
	if err != nil {
		return Request{}, err
	}
	if !seen.isBy(by) {
		return Request{}, problem.New(problem.Forbidden, "only who asked can take a request back")
	}
	r, err := a.change(ctx, by, "approval.cancel", func(ctx context.Context) (Request, error) {
		now := a.instant()
		_, err := scan(a.db.QueryRow(ctx, `
			UPDATE approval_requests
			SET state = 'cancelled', updated_at = $3
			WHERE tenant_id = $1 AND id = $2 AND state IN ('pending', 'approved') AND expires_at > $3 AND requester_kind = $4 AND requester_id = $5
			RETURNING `+requestColumns, by.Tenant, id, database.Micros(now), by.Kind, by.ID), now)
		if err != nil {
			return Request{}, err
		}
		return a.read(ctx, by.Tenant, id)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return Request{}, a.ended(ctx, by, id, "cancel")
	}
	if err != nil {
		return Request{}, fmt.Errorf("cancel request: %w", err)
	}
	return r, nil
}

// ended says in which state a request is to which nothing can happen any more.
func (a *Approvals) ended(ctx context.Context, by *server.Principal, id, action string) error {
	r, err := a.read(ctx, by.Tenant, id)
	if err != nil {
		return err
	}
	must := string(Pending)
	if action != verdictApprove {
		must += " or " + string(Approved)
	}
	return problem.New(problem.InvalidState, "the request is %s; to %s it must be %s", r.State, action, must)
}
