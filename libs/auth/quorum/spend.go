package quorum

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/contract"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Header is the request header by which an operation names the approval that it is done with.
const Header = "Approval"

// Spend uses an approved request up, in the transaction of ctx, which is that of the operation itself: if that fails, the approval is still
// good. It must be for this subject and by this caller, and its approvals must be enough under the subject's rule as it is now. Errors have
// the code approval_not_usable.
func (a *Approvals) Spend(ctx context.Context, by *server.Principal, id string, subject Subject) error {
	if _, err := a.db.Independent(ctx); !errors.Is(err, database.ErrInTransaction) {
		return errors.New("spend approval: not in a transaction")
	}
	if subject.Rule == nil {
		return notUsable("no quorum is named for this any more")
	}
	if !isID(id) {
		return notUsable("there is no such approval of yours")
	}
	ctx = database.WithTenant(ctx, by.Tenant)
	now := a.instant()
	r, err := scan(a.db.QueryRow(ctx, `
		UPDATE approval_requests
		SET state = 'used', updated_at = $3
		WHERE tenant_id = $1 AND id = $2 AND state = 'approved' AND expires_at > $3 AND requester_kind = $4 AND requester_id = $5
			AND operation = $6 AND resource_kind = $7 AND resource = $8 AND fingerprint = $9
		RETURNING `+requestColumns,
		by.Tenant, id, database.Micros(now), by.Kind, by.ID, subject.Operation, subject.Kind, subject.Resource, subject.fingerprint()), now)
	if errors.Is(err, sql.ErrNoRows) {
		return a.unusable(ctx, by, id, subject)
	}
	if err != nil {
		return fmt.Errorf("spend approval: %w", err)
	}
	// Nobody votes on what is approved but to reject it, so that these are the votes that it was approved by.
	if r.Votes, err = a.votes(ctx, by.Tenant, id); err != nil {
		return err
	}
	if !subject.Rule.satisfied(r) {
		return notUsable("its approvals are not enough under the quorum as it is now; ask again")
	}
	return a.note(ctx, Event{Action: "approval.use", By: by, Request: r})
}

// satisfied tells whether enough of those who count now have approved.
func (r *Rule) satisfied(request Request) bool {
	count := 0
	for _, vote := range request.Votes {
		if vote.Verdict == verdictApprove && slices.Contains(r.Approvers, vote.ApproverID) {
			count++
		}
	}
	return r.check() == nil && count >= r.Approvals
}

// unusable says why a request cannot be spent. Of another's it says what it says of none.
func (a *Approvals) unusable(ctx context.Context, by *server.Principal, id string, subject Subject) error {
	r, err := a.read(ctx, by.Tenant, id)
	switch {
	case problem.Is(err, problem.NotFound), err == nil && !r.isBy(by):
		return notUsable("there is no such approval of yours")
	case err != nil:
		return err
	case r.State != Approved:
		return notUsable("it is %s; %d of %d have approved", r.State, r.Approvals, r.Needed)
	case r.Operation != subject.Operation:
		return notUsable("it is for another operation")
	case r.Kind != subject.Kind || r.Resource != subject.Resource:
		return notUsable("it is for another object")
	case r.Fingerprint != subject.fingerprint():
		return notUsable("it is for other parameters")
	default:
		return notUsable("it changed meanwhile; try again")
	}
}

// Approved implements server.Deps.Approved: a request that names an approved request of its caller for this operation needs no fresh
// authentication. Whether it is for this object and these parameters is decided when it is spent, without which no such operation ends well.
//
// A request that may be the repetition of the one that used it, by its Idempotency-Key, comes as far: it gets the answer that is kept for it, and
// without one it fails where the approval would be spent.
func (a *Approvals) Approved(ctx context.Context, r *http.Request, by *server.Principal, operation string) (bool, error) {
	named := r.Header.Values(Header)
	if len(named) != 1 || !isID(named[0]) {
		return false, nil
	}
	request, err := a.read(ctx, by.Tenant, named[0])
	if problem.Is(err, problem.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	good := request.State == Approved || request.State == Used && len(r.Header[contract.IdempotencyKey]) > 0
	return good && request.isBy(by) && request.Operation == operation, nil
}

// Required is the answer to an operation that names no approval and needs one.
func Required(rule Rule) error {
	return problem.New(problem.ApprovalRequired, "this takes %d of %d approvals: POST /approvals, and name the approved request in the header %s",
		rule.Approvals, len(rule.Approvers), Header)
}

func notUsable(format string, args ...any) error {
	return problem.New(problem.ApprovalNotUsable, "the approval cannot be used: "+format, args...)
}

func isID(text string) bool { return uuid.Validate(text) == nil }
