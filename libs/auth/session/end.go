package session

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Actions of an [Event].
const (
	ActionBegin = "session.begin"
	ActionEnd   = "session.end"
)

// Reasons why sessions end before their time.
const (
	ReasonLogout          = "logout"
	ReasonRevoked         = "revoked"
	ReasonLimit           = "limit"
	ReasonRotated         = "rotated"
	ReasonReplaced        = "replaced" // by another login in the same browser
	ReasonPasswordChanged = "password_changed"
)

// Event is the beginning or end of a session.
type Event struct {
	Action string
	Time   time.Time
	Tenant string
	// SessionID is "" where all sessions of the owner end.
	SessionID string
	// Owner is whose session it is; of the end of a session only Tenant, Kind and ID may be known.
	Owner *server.Principal
	// By is who did it: the caller of the request, and on pages, which know no other, the owner.
	By     *server.Principal
	Client string
	// Reason is of an end.
	Reason string
}

// Recorder writes an event in the transaction of ctx; an error undoes what it is about.
type Recorder interface {
	Record(ctx context.Context, e Event) error
}

func (m *Manager) record(ctx context.Context, e Event) error {
	if m.deps.Recorder == nil {
		return nil
	}
	e.Time, e.By = m.deps.Now(), e.Owner
	if caller, ok := server.PrincipalFrom(ctx); ok {
		e.By = caller
	}
	return m.deps.Recorder.Record(ctx, e)
}

// Revoke ends one session; an error with the code not_found if the tenant has none of that id.
func (m *Manager) Revoke(ctx context.Context, tenant, id, reason string) error {
	return m.revoke(ctx, tenant, id, reason, nil)
}

// RevokeOwn is Revoke for a session of the principal; another's is not found.
func (m *Manager) RevokeOwn(ctx context.Context, p *server.Principal, id, reason string) error {
	return m.revoke(ctx, p.Tenant, id, reason, p)
}

func (m *Manager) revoke(ctx context.Context, tenant, id, reason string, owner *server.Principal) error {
	ctx = database.WithTenant(ctx, tenant)
	err := m.deps.DB.InTx(ctx, func(ctx context.Context) error {
		ended, err := m.delete(ctx, tenant, id)
		if errors.Is(err, errAbsent) || (err == nil && owner != nil && (ended.Kind != owner.Kind || ended.ID != owner.ID)) {
			return problem.New(problem.NotFound, "there is no such session") // and the transaction rolls back
		}
		if err != nil {
			return err
		}
		event := Event{Action: ActionEnd, Tenant: tenant, SessionID: id, Owner: &ended.Principal, Client: ended.client, Reason: reason}
		if err := m.record(ctx, event); err != nil {
			return err
		}
		return m.note(ctx, tenant, []string{id})
	})
	if err != nil {
		return fmt.Errorf("revoke session: %w", err)
	}
	m.forget(ctx, tenant, id)
	return nil
}

// RevokeAll ends all sessions of a principal but the one with the id except ("" spares none), and keeps those from beginning whose
// authentication is older. It returns how many there were.
func (m *Manager) RevokeAll(ctx context.Context, tenant, kind, principalID, except, reason string) (int, error) {
	ctx = database.WithTenant(ctx, tenant)
	now := database.Micros(m.deps.Now())
	var ids []string
	err := m.deps.DB.InTx(ctx, func(ctx context.Context) error {
		ids = nil
		_, err := m.deps.DB.Exec(ctx, `INSERT INTO session_owners (tenant_id, kind, principal_id, revoked_at, changed_at) VALUES ($1, $2, $3, $4, $4)
			ON CONFLICT (tenant_id, kind, principal_id) DO UPDATE SET changed_at = excluded.changed_at,
				revoked_at = CASE WHEN session_owners.revoked_at > excluded.revoked_at THEN session_owners.revoked_at ELSE excluded.revoked_at END`,
			tenant, kind, principalID, now)
		if err != nil {
			return err
		}
		rows, err := m.deps.DB.Query(ctx, `DELETE FROM sessions WHERE tenant_id = $1 AND kind = $2 AND principal_id = $3 AND id <> $4 RETURNING id`,
			tenant, kind, principalID, except)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				return err
			}
			ids = append(ids, id)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		owner := &server.Principal{Tenant: tenant, Kind: kind, ID: principalID}
		if err := m.record(ctx, Event{Action: ActionEnd, Tenant: tenant, Owner: owner, Reason: reason}); err != nil {
			return err
		}
		return m.note(ctx, tenant, ids)
	})
	if err != nil {
		return 0, fmt.Errorf("revoke all sessions: %w", err)
	}
	m.forget(ctx, tenant, ids...)
	return len(ids), nil
}

// endedSession is what is known of a session that was deleted.
type endedSession struct {
	server.Principal

	client string
}

// delete removes a row, in the transaction of ctx; errAbsent if it is not there.
func (m *Manager) delete(ctx context.Context, tenant, id string) (endedSession, error) {
	ended := endedSession{Principal: server.Principal{Tenant: tenant, SessionID: id}}
	err := m.deps.DB.QueryRow(ctx, `DELETE FROM sessions WHERE tenant_id = $1 AND id = $2 RETURNING client, realm, kind, principal_id, name`, tenant, id).
		Scan(&ended.client, &ended.Realm, &ended.Kind, &ended.ID, &ended.Name)
	if errors.Is(err, sql.ErrNoRows) {
		err = errAbsent
	}
	return ended, err
}

// forget makes what has ended unknown to this replica at once; the others hear of it through the change sequence. Inside a unit of work that
// is not committed yet this replica hears of it in the same way.
func (m *Manager) forget(ctx context.Context, tenant string, ids ...string) {
	if len(ids) == 0 {
		return
	}
	if err := m.deps.Changes.CatchUp(ctx); err == nil {
		return
	}
	for _, id := range ids {
		m.facts.Forget(tenant, id)
	}
}
