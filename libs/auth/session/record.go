package session

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// errAbsent is a session that is not there.
var errAbsent = errors.New("there is no such session")

// record is a row. Nobody changes it once it is made, but for what is atomic.
type record struct {
	tenant, id, client                     string
	format                                 Format
	realm, kind, principal, name, login    string
	scopes, roles, methods                 []string
	secretHash                             string
	confirmation                           []byte
	credential                             string // see server.Principal
	narrowed                               bool   // whoever began it asked for some of his scopes only
	address, userAgent                     string
	authenticatedAt, createdAt, lastUsedAt time.Time
	expiresAt                              time.Time
	idle                                   time.Duration
	used                                   atomic.Int64             // microseconds: the last use that this replica knows
	proven                                 atomic.Pointer[[32]byte] // SHA-256 of a secret that matched
}

const columns = `id, client, format, realm, kind, principal_id, name, login, scopes, roles, methods, secret_hash, confirmation, credential, narrowed, address, user_agent,
	authenticated_at, created_at, last_used_at, idle_seconds, expires_at`

// scan reads the columns.
func scan(tenant string, row interface{ Scan(into ...any) error }) (*record, error) {
	r := &record{tenant: tenant}
	var scopes, roles, methods string
	var authenticated, created, used, idle, expires int64
	err := row.Scan(&r.id, &r.client, &r.format, &r.realm, &r.kind, &r.principal, &r.name, &r.login, &scopes, &roles, &methods, &r.secretHash,
		&r.confirmation, &r.credential, &r.narrowed, &r.address, &r.userAgent, &authenticated, &created, &used, &idle, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errAbsent
	}
	if err != nil {
		return nil, err
	}
	for _, list := range []struct {
		text string
		into *[]string
	}{{scopes, &r.scopes}, {roles, &r.roles}, {methods, &r.methods}} {
		if err := json.Unmarshal([]byte(list.text), list.into); err != nil {
			return nil, fmt.Errorf("session %s: %w", r.id, err)
		}
	}
	r.authenticatedAt, r.createdAt, r.lastUsedAt = database.Time(authenticated), database.Time(created), database.Time(used)
	r.expiresAt, r.idle = database.Time(expires), time.Duration(idle)*time.Second
	r.used.Store(used)
	return r, nil
}

// load reads a session; errAbsent if there is none.
func (m *Manager) load(ctx context.Context, tenant, id string) (*record, error) {
	ctx = database.WithTenant(ctx, tenant)
	r, err := scan(tenant, m.deps.DB.QueryRow(ctx, `SELECT `+columns+` FROM sessions WHERE tenant_id = $1 AND id = $2`, tenant, id))
	if err != nil && !errors.Is(err, errAbsent) {
		return nil, fmt.Errorf("load session: %w", err)
	}
	return r, err
}

// insert writes a new session, in the transaction of ctx.
func (m *Manager) insert(ctx context.Context, r *record) error {
	lists := make([]string, 0, 3)
	for _, list := range [][]string{r.scopes, r.roles, r.methods} {
		if list == nil {
			list = []string{}
		}
		text, err := json.Marshal(list)
		if err != nil {
			return err
		}
		lists = append(lists, string(text))
	}
	_, err := m.deps.DB.Exec(ctx, `INSERT INTO sessions (tenant_id, `+columns+`, idle_expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)`,
		r.tenant, r.id, r.client, string(r.format), r.realm, r.kind, r.principal, r.name, r.login, lists[0], lists[1], lists[2], r.secretHash,
		r.confirmation, r.credential, r.narrowed, r.address, r.userAgent, database.Micros(r.authenticatedAt), database.Micros(r.createdAt), database.Micros(r.lastUsedAt),
		int64(r.idle/time.Second), database.Micros(r.expiresAt), database.Micros(r.lastUsedAt.Add(r.idle)))
	return err
}

// proves tells whether the secret is the session's. What has matched once is remembered as a plain hash: of 256 random bits it gives
// nothing away.
func (m *Manager) proves(ctx context.Context, r *record, secret []byte) (bool, error) {
	sum := sha256.Sum256(secret)
	if known := r.proven.Load(); known != nil {
		return subtle.ConstantTimeCompare(known[:], sum[:]) == 1, nil
	}
	result, err := m.deps.Hashes.Verify(ctx, secret, r.secretHash)
	if err != nil {
		return false, fmt.Errorf("verify session %s: %w", r.id, err)
	}
	if result.Match {
		r.proven.Store(&sum)
	}
	return result.Match, nil
}

// owner is who was authenticated when the session began.
func (r *record) owner() *server.Principal {
	return &server.Principal{Tenant: r.tenant, Realm: r.realm, Kind: r.kind, ID: r.principal, Credential: r.credential}
}

// info is the record as people see it.
func (r *record) info() Info {
	return Info{
		ID: r.id, Client: r.client, Format: r.format, Realm: r.realm, Kind: r.kind, PrincipalID: r.principal, Name: r.name,
		Scopes: r.scopes, Methods: r.methods, AuthenticatedAt: r.authenticatedAt, CreatedAt: r.createdAt, LastUsedAt: r.lastUsedAt,
		ExpiresAt: r.expiresAt, Address: r.address, UserAgent: r.userAgent,
	}
}
