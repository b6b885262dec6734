package session

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// maxUserAgent is how much of a user agent is kept, in bytes.
const maxUserAgent = 256

// errOvertaken is an authentication from before all sessions of the principal were ended.
func errOvertaken() error {
	return problem.New(problem.Unauthenticated, "all sessions were ended meanwhile: authenticate again")
}

// Create begins a session. It may be a part of a unit of work, and not of a transaction that is open. Errors: insufficient_scope for a scope that the principal does not have, unauthenticated for an
// authentication that was overtaken by [Manager.RevokeAll].
func (m *Manager) Create(ctx context.Context, ask Ask) (Issued, error) {
	p := ask.Principal
	if p == nil || p.Tenant == "" || p.ID == "" || p.Kind == "" {
		return Issued{}, errors.New("create session: the principal is incomplete")
	}
	if ask.Client != ClientBrowser && ask.Client != ClientService {
		return Issued{}, fmt.Errorf("create session: unknown type of client %q", ask.Client)
	}
	now, kind := m.deps.Now(), m.cfg.of(ask.Client)
	r := &record{
		tenant: p.Tenant, client: ask.Client, realm: p.Realm, kind: p.Kind, principal: p.ID, name: p.Name, login: ask.Login,
		scopes: p.Scopes, roles: p.Roles, methods: p.Methods, address: addressText(ask), userAgent: userAgent(ask.Request),
		authenticatedAt: p.AuthenticatedAt, createdAt: now, expiresAt: now.Add(kind.Lifetime), credential: p.Credential,
	}
	if r.authenticatedAt.IsZero() {
		r.authenticatedAt = now
	}
	if ask.Lifetime > 0 && ask.Lifetime < kind.Lifetime {
		r.expiresAt = now.Add(ask.Lifetime)
	}
	if ask.Scopes != nil {
		for _, scope := range ask.Scopes {
			if !p.HasScope(scope) {
				return Issued{}, problem.New(problem.InsufficientScope, "a session cannot have a scope that the credential lacks")
			}
		}
		r.scopes, r.roles, r.narrowed = ask.Scopes, nil, true
	}
	return m.issue(ctx, r, p, ask.Request, func(context.Context) error { return nil })
}

// Rotate gives the session of p a new id and token after a fresh authentication, whose time, methods and credential p carries, and with the
// rights that its owner has now. The old ones end at once. The session ends no later than it would have.
func (m *Manager) Rotate(ctx context.Context, p *server.Principal, r *http.Request) (Issued, error) {
	old, err := m.load(ctx, p.Tenant, p.SessionID)
	if errors.Is(err, errAbsent) {
		return Issued{}, errNoSession(err)
	}
	if err != nil {
		return Issued{}, err
	}
	began := old.owner()
	began.Credential = p.Credential
	owner, err := m.deps.Principals.Continue(ctx, r, began)
	if err != nil {
		return Issued{}, fmt.Errorf("rotate session: %w", err)
	}
	fresh := *owner
	fresh.Methods, fresh.AuthenticatedAt, fresh.Confirmed = p.Methods, p.AuthenticatedAt, p.Confirmed
	next := &record{
		tenant: old.tenant, client: old.client, realm: old.realm, kind: old.kind, principal: old.principal, name: fresh.Name, login: old.login,
		scopes: fresh.Scopes, roles: fresh.Roles, methods: fresh.Methods, address: old.address, userAgent: old.userAgent,
		authenticatedAt: fresh.AuthenticatedAt, createdAt: old.createdAt, expiresAt: old.expiresAt, credential: p.Credential,
	}
	if old.narrowed { // A fresh authentication widens nothing.
		next.scopes, next.roles, next.narrowed = both(old.scopes, fresh.Scopes), nil, true
	}
	issued, err := m.issue(ctx, next, &fresh, r, func(ctx context.Context) error {
		if _, err := m.delete(ctx, old.tenant, old.id); err != nil {
			return errNoSession(err)
		}
		return m.record(ctx, Event{Action: ActionEnd, Tenant: old.tenant, SessionID: old.id, Owner: &fresh, Client: old.client, Reason: ReasonRotated})
	}, old.id)
	if err == nil {
		m.forget(ctx, old.tenant, old.id)
	}
	return issued, err
}

// issue writes the session and makes its token. before runs first in the transaction; ended are sessions that other replicas must hear of.
func (m *Manager) issue(ctx context.Context, r *record, p *server.Principal, request *http.Request, before func(context.Context) error, ended ...string) (Issued, error) {
	kind := m.cfg.of(r.client)
	r.format, r.idle, r.lastUsedAt = kind.Format, kind.IdleTimeout, m.deps.Now()
	if !p.ExpiresAt.IsZero() && p.ExpiresAt.Before(r.expiresAt) {
		r.expiresAt = p.ExpiresAt
	}
	r.confirmation = []byte{}
	if p.Confirmed {
		r.confirmation = thumbprint(request)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Issued{}, err
	}
	r.id = id.String()
	made, err := credential.Generate(credential.SessionToken, r.tenant, r.id)
	if err != nil {
		return Issued{}, fmt.Errorf("begin session: %w", err)
	}
	if r.secretHash, err = m.deps.Hashes.Hash(ctx, made.Secret()); err != nil {
		return Issued{}, fmt.Errorf("begin session: %w", err)
	}
	key, err := m.writingKey(ctx, r.tenant, r.format)
	if err != nil {
		return Issued{}, fmt.Errorf("begin session: %w", err)
	}
	token, err := m.write(r, made, key)
	if err != nil {
		return Issued{}, fmt.Errorf("begin session: %w", err)
	}
	ctx = database.WithTenant(ctx, r.tenant)
	var evicted []string
	err = m.deps.DB.InTx(ctx, func(ctx context.Context) (err error) {
		if err := m.enter(ctx, r); err != nil {
			return err
		}
		if err := before(ctx); err != nil {
			return err
		}
		if err := m.insert(ctx, r); err != nil {
			return err
		}
		if evicted, err = m.makeRoom(ctx, r, kind.MaxPerPrincipal, p); err != nil {
			return err
		}
		event := Event{Action: ActionBegin, Tenant: r.tenant, SessionID: r.id, Owner: p, Client: r.client}
		if err := m.record(ctx, event); err != nil {
			return err
		}
		return m.note(ctx, r.tenant, append(evicted, ended...))
	})
	if err != nil {
		return Issued{}, fmt.Errorf("begin session: %w", err)
	}
	m.forget(ctx, r.tenant, evicted...)
	owner := *p
	owner.Scopes, owner.Roles, owner.ExpiresAt, owner.SessionID = r.scopes, r.roles, r.expiresAt, r.id
	owner.Narrowed = r.narrowed
	owner.AuthenticatedAt, owner.Confirmed = r.authenticatedAt, len(r.confirmation) > 0
	return Issued{Token: token, Format: r.format, Principal: &owner, IdleTimeout: r.idle}, nil
}

// enter locks the owner's row, so that the beginnings and ends of one principal's sessions come one after the other, and refuses an
// authentication that was overtaken.
func (m *Manager) enter(ctx context.Context, r *record) error {
	var revoked int64
	err := m.deps.DB.QueryRow(ctx, `INSERT INTO session_owners (tenant_id, kind, principal_id, revoked_at, changed_at) VALUES ($1, $2, $3, 0, $4)
		ON CONFLICT (tenant_id, kind, principal_id) DO UPDATE SET changed_at = excluded.changed_at RETURNING revoked_at`,
		r.tenant, r.kind, r.principal, database.Micros(m.deps.Now())).Scan(&revoked)
	if err != nil {
		return err
	}
	if database.Micros(r.authenticatedAt) <= revoked {
		return errOvertaken()
	}
	return nil
}

// makeRoom ends the sessions that are too many, those first that were not used for the longest time.
func (m *Manager) makeRoom(ctx context.Context, r *record, limit int, p *server.Principal) ([]string, error) {
	rows, err := m.deps.DB.Query(ctx, `SELECT id FROM sessions WHERE tenant_id = $1 AND kind = $2 AND principal_id = $3 AND client = $4 AND id <> $5
		ORDER BY last_used_at DESC, id DESC LIMIT 1000 OFFSET $6`, r.tenant, r.kind, r.principal, r.client, r.id, limit-1)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for _, id := range ids {
		if _, err := m.delete(ctx, r.tenant, id); err != nil && !errors.Is(err, errAbsent) {
			return nil, err
		}
		if err := m.record(ctx, Event{Action: ActionEnd, Tenant: r.tenant, SessionID: id, Owner: p, Client: r.client, Reason: ReasonLimit}); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// note tells other replicas which sessions have ended. It is the last thing in a transaction: others of the tenant wait from here on.
func (m *Manager) note(ctx context.Context, tenant string, ids []string) error {
	if len(ids) > maxNotes {
		ids = []string{""}
	}
	for _, id := range ids {
		if err := changes.Note(ctx, m.deps.DB, tenant, changeSession, id); err != nil {
			return err
		}
	}
	return nil
}

// maxNotes is up to how many ended sessions are named one by one; beyond, all of the tenant are read again.
const maxNotes = 20

func addressText(ask Ask) string {
	if !ask.Address.IsValid() {
		return ""
	}
	return ask.Address.Unmap().WithZone("").String()
}

// userAgent is what a browser says of itself, in printable characters.
func userAgent(r *http.Request) string {
	if r == nil {
		return ""
	}
	text := strings.Map(func(c rune) rune {
		if c < ' ' || c == utf8.RuneError || (c >= 0x7f && c < 0xa0) {
			return -1
		}
		return c
	}, r.UserAgent())
	for len(text) > maxUserAgent {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return text
}

// thumbprint is the SHA-256 hash of the client's certificate (RFC 8705 section 3.1), nothing without one.
func thumbprint(r *http.Request) []byte {
	if r == nil || r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return []byte{}
	}
	sum := sha256.Sum256(r.TLS.PeerCertificates[0].Raw)
	return slices.Clone(sum[:])
}
