package quorum

import (
	"context"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// Get reads a request that the caller made or may approve, or any if it administers; not_found.
func (a *Approvals) Get(ctx context.Context, by *server.Principal, id string) (Request, error) {
	if !isID(id) {
		return Request{}, errNotFound()
	}
	r, err := a.read(ctx, by.Tenant, id)
	if err != nil {
		return Request{}, err
	}
	if !r.isBy(by) && !r.isFor(by) && r.RequesterOwner != by.ID && !a.administers(by) {
		return Request{}, errNotFound()
	}
	return r, nil
}

// administers tells whether the caller may see all requests of its tenant. It may do nothing else with them.
func (a *Approvals) administers(by *server.Principal) bool {
	return a.cfg.Administer != "" && by.HasScope(a.cfg.Administer)
}

// List reads up to limit requests that the caller may see, those in a state if one is given, in the order of their ids after the one given.
func (a *Approvals) List(ctx context.Context, by *server.Principal, state State, after string, limit int) ([]Request, error) {
	ctx = database.WithTenant(ctx, by.Tenant)
	now := a.instant()
	approver := ""
	if by.Person() {
		approver = by.ID
	}
	rows, err := a.db.Query(ctx, `
		SELECT `+requestColumns+` FROM approval_requests
		WHERE tenant_id = $1 AND id > $2
			AND ($3 = '' OR $3 = CASE WHEN state IN ('pending', 'approved') AND expires_at <= $4 THEN 'expired' ELSE state END)
			AND ($5 = 1 OR (requester_kind = $6 AND requester_id = $7) OR ($8 <> '' AND (requester_owner = $8
				OR EXISTS (SELECT 1 FROM approval_votes v WHERE v.tenant_id = $1 AND v.approver_id = $8 AND v.request_id = approval_requests.id))))
		ORDER BY id LIMIT $9`,
		by.Tenant, after, string(state), database.Micros(now), number(a.administers(by)), by.Kind, by.ID, approver, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("list requests for approval: %w", err)
	}
	defer rows.Close()
	var list []Request
	for rows.Next() {
		r, err := scan(rows, now)
		if err != nil {
			return nil, fmt.Errorf("read request for approval: %w", err)
		}
		list = append(list, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list requests for approval: %w", err)
	}
	for i := range list {
		if list[i].Votes, err = a.votes(ctx, by.Tenant, list[i].ID); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// number is a condition as it is bound.
func number(condition bool) int64 {
	if condition {
		return 1
	}
	return 0
}

// How long a request is kept once it can no longer be used, in microseconds, and how many one statement removes.
const (
	retention  = int64(90 * 24 * 60 * 60 * 1_000_000)
	sweepBatch = 500
)

// Sweep removes requests of all tenants that ended long ago. What became of them is in the audit trail.
func (a *Approvals) Sweep(ctx context.Context) error {
	ctx = database.WithTenant(ctx, database.AllTenants)
	before := database.Micros(a.instant()) - retention
	for {
		result, err := a.db.Exec(ctx, `
			DELETE FROM approval_requests WHERE expires_at <= $1 AND (tenant_id, id) IN
				(SELECT tenant_id, id FROM approval_requests WHERE expires_at <= $1 ORDER BY expires_at, tenant_id, id LIMIT $2)`, before, sweepBatch)
		if err != nil {
			return fmt.Errorf("sweep requests for approval: %w", err)
		}
		if n, err := result.RowsAffected(); err != nil || n < sweepBatch {
			return err
		}
	}
}
