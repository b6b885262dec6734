package quorum

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// State is how far a request has come.
type State string

// States.
const (
	Pending   State = "pending"
	Approved  State = "approved"
	Used      State = "used"
	Rejected  State = "rejected"
	Cancelled State = "cancelled"
	Expired   State = "expired"
)

// Vote is what an approver has said.
type Vote struct {
	ApproverID string
	// Verdict is "", "approve" or "reject".
	Verdict string
	// At is when; zero before.
	At time.Time
}

// Request is a request for approval.
type Request struct {
	ID         string // UUIDv7
	Operation  string
	Kind       string
	Resource   string
	Parameters []byte // JSON
	// Fingerprint is of operation, object and parameters.
	Fingerprint   string
	Reason        string
	RequesterKind string
	RequesterID   string
	// RequesterOwner is the person for whom an API token asked, or "".
	RequesterOwner string
	State          State
	Approvals      int // so far
	Needed         int
	Votes          []Vote // of all approvers, in order of their ids
	CreatedAt      time.Time
	UpdatedAt      time.Time
	ExpiresAt      time.Time
}

// isBy tells whether the caller has asked.
func (r Request) isBy(p *server.Principal) bool {
	return r.RequesterKind == p.Kind && r.RequesterID == p.ID
}

// isFor tells whether the caller is one of the people who may agree.
func (r Request) isFor(p *server.Principal) bool {
	return p.Person() && slices.ContainsFunc(r.Votes, func(v Vote) bool { return v.ApproverID == p.ID })
}

// Ask makes a request. The caller must be allowed to do what it asks for, which the service has decided by making the subject.
func (a *Approvals) Ask(ctx context.Context, by *server.Principal, subject Subject, reason string) (Request, error) {
	if subject.Rule == nil {
		return Request{}, problem.New(problem.InvalidState, "no quorum is named for this; nobody can approve it")
	}
	if err := subject.Rule.check(); err != nil {
		return Request{}, fmt.Errorf("ask for approval of %s: %w", subject.Operation, err)
	}
	owner, err := a.owner(ctx, by)
	if err != nil {
		return Request{}, err
	}
	id, err := newID()
	if err != nil {
		return Request{}, err
	}
	now := a.instant()
	r := Request{
		ID: id, Operation: subject.Operation, Kind: subject.Kind, Resource: subject.Resource, Parameters: subject.Parameters,
		Fingerprint: subject.fingerprint(), Reason: reason, RequesterKind: by.Kind, RequesterID: by.ID, RequesterOwner: owner,
		State: Pending, Needed: subject.Rule.Approvals, CreatedAt: now, UpdatedAt: now, ExpiresAt: now.Add(a.cfg.Lifetime),
	}
	approvers := slices.Clone(subject.Rule.Approvers)
	slices.Sort(approvers)
	for _, approver := range slices.Compact(approvers) {
		r.Votes = append(r.Votes, Vote{ApproverID: approver})
	}
	return a.change(ctx, by, "approval.request", func(ctx context.Context) (Request, error) { return r, a.insert(ctx, by.Tenant, r) })
}

// owner is the person for whom a caller acts, if not for itself.
func (a *Approvals) owner(ctx context.Context, by *server.Principal) (string, error) {
	if a.cfg.Owner == nil || by.Person() {
		return "", nil
	}
	owner, err := a.cfg.Owner(ctx, by)
	if err != nil {
		return "", fmt.Errorf("find the caller's owner: %w", err)
	}
	return owner, nil
}

func (a *Approvals) insert(ctx context.Context, tenant string, r Request) error {
	_, err := a.db.Exec(ctx, `
		INSERT INTO approval_requests (tenant_id, id, operation, resource_kind, resource, parameters, fingerprint, reason, requester_kind,
			requester_id, requester_owner, state, approvals, approvals_needed, created_at, updated_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'pending', 0, $12, $13, $13, $14)`,
		tenant, r.ID, r.Operation, r.Kind, r.Resource, string(r.Parameters), r.Fingerprint, r.Reason, r.RequesterKind,
		r.RequesterID, r.RequesterOwner, int64(r.Needed), database.Micros(r.CreatedAt), database.Micros(r.ExpiresAt))
	if err != nil {
		return fmt.Errorf("insert request for approval: %w", err)
	}
	for _, vote := range r.Votes {
		_, err := a.db.Exec(ctx, `INSERT INTO approval_votes (tenant_id, request_id, approver_id, vote, voted_at) VALUES ($1, $2, $3, '', 0)`,
			tenant, r.ID, vote.ApproverID)
		if err != nil {
			return fmt.Errorf("insert approver: %w", err)
		}
	}
	return nil
}

const requestColumns = `id, operation, resource_kind, resource, parameters, fingerprint, reason, requester_kind, requester_id,
	requester_owner, state, approvals, approvals_needed, created_at, updated_at, expires_at`

// row is what sql.Row and sql.Rows have in common.
// scan reads a request without its votes. What is over at the time, and has not ended otherwise, has expired.
func scan(from database.Scanner, now time.Time) (r Request, err error) {
	var parameters string
	var approvals, needed, created, updated, expires int64
	err = from.Scan(&r.ID, &r.Operation, &r.Kind, &r.Resource, &parameters, &r.Fingerprint, &r.Reason, &r.RequesterKind, &r.RequesterID,
		&r.RequesterOwner, &r.State, &approvals, &needed, &created, &updated, &expires)
	r.Parameters, r.Approvals, r.Needed = []byte(parameters), int(approvals), int(needed)
	r.CreatedAt, r.UpdatedAt, r.ExpiresAt = database.Time(created), database.Time(updated), database.Time(expires)
	if (r.State == Pending || r.State == Approved) && !r.ExpiresAt.After(now) {
		r.State = Expired
	}
	return r, err
}

// read reads a request with its votes; not_found.
func (a *Approvals) read(ctx context.Context, tenant, id string) (Request, error) {
	ctx = database.WithTenant(ctx, tenant)
	r, err := scan(a.db.QueryRow(ctx, `SELECT `+requestColumns+` FROM approval_requests WHERE tenant_id = $1 AND id = $2`, tenant, id), a.instant())
	if errors.Is(err, sql.ErrNoRows) {
		return Request{}, errNotFound()
	}
	if err != nil {
		return Request{}, fmt.Errorf("read request for approval: %w", err)
	}
	r.Votes, err = a.votes(ctx, tenant, id)
	return r, err
}

func (a *Approvals) votes(ctx context.Context, tenant, id string) (votes []Vote, err error) {
	rows, err := a.db.Query(ctx, `
		SELECT approver_id, vote, voted_at FROM approval_votes WHERE tenant_id = $1 AND request_id = $2 ORDER BY approver_id`, tenant, id)
	if err != nil {
		return nil, fmt.Errorf("read approvers: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var vote Vote
		var at int64
		if err := rows.Scan(&vote.ApproverID, &vote.Verdict, &at); err != nil {
			return nil, fmt.Errorf("read approver: %w", err)
		}
		if at != 0 {
			vote.At = database.Time(at)
		}
		votes = append(votes, vote)
	}
	return votes, rows.Err()
}
