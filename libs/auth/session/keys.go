package session

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
)

// The algorithms are fixed: a token that names others is refused. Encryption has a content key of its own for every token, so that no number
// of tokens wears a key out (SP 800-38D section 8.3).
const (
	signatureAlgorithm = "Ed25519"
	keyWrapAlgorithm   = "A256KW"
	contentEncryption  = "A256GCM"
	wrapKeySize        = 32
)

// keyPurpose binds a stored key to its place (barrier.Binding).
const keyPurpose = "session/token-key"

// tokenKey is a tenant's key for one of the formats jws and jwe. The key's ID, which tokens name, is "tenant.uuid".
type tokenKey struct {
	tenant    string
	format    Format
	version   int64
	key       *jwk.Key
	createdAt time.Time
}

// keyByID finds the key that a token names; errToken if there is none.
func (m *Manager) keyByID(ctx context.Context, format Format, keyID string) (*tokenKey, error) {
	tenant, id, _ := strings.Cut(keyID, ".")
	if !credential.ValidTenant(tenant) || uuid.Validate(id) != nil || len(id) != len(uuid.Nil.String()) {
		return nil, errToken
	}
	key, err := m.keys.Get(ctx, tenant, id, func(ctx context.Context) (*tokenKey, error) {
		ctx = database.WithTenant(ctx, tenant)
		return m.scanKey(ctx, tenant, m.deps.DB.QueryRow(ctx,
			`SELECT format, version, id, jwe, created_at FROM session_keys WHERE tenant_id = $1 AND id = $2`, tenant, id))
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, errToken
	case err != nil:
		return nil, fmt.Errorf("load session key %s: %w", keyID, err)
	case key.format != format:
		return nil, errToken
	}
	return key, nil
}

// newestKey is the key for new tokens, nil where there is none yet.
func (m *Manager) newestKey(ctx context.Context, tenant string, format Format) (*tokenKey, error) {
	key, err := m.keys.Get(ctx, tenant, "newest "+string(format), func(ctx context.Context) (*tokenKey, error) {
		ctx = database.WithTenant(ctx, tenant)
		return m.scanKey(ctx, tenant, m.deps.DB.QueryRow(ctx, `SELECT format, version, id, jwe, created_at FROM session_keys
			WHERE tenant_id = $1 AND format = $2 ORDER BY version DESC LIMIT 1`, tenant, string(format)))
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // none is no error
	}
	if err != nil {
		return nil, fmt.Errorf("load newest session key: %w", err)
	}
	return key, nil
}

// writingKey is the key for a new token: made at first use, and replaced when it is old. Keys are made outside the caller's unit of work,
// which might be rolled back when others use them already. For opaque sessions it is nil.
func (m *Manager) writingKey(ctx context.Context, tenant string, format Format) (*tokenKey, error) {
	if format == Opaque {
		return nil, nil //nolint:nilnil // opaque sessions need none
	}
	ctx, err := m.deps.DB.Independent(ctx)
	if err != nil {
		return nil, err
	}
	newest, err := m.newestKey(ctx, tenant, format)
	if err != nil || (newest != nil && m.deps.Now().Before(newest.createdAt.Add(m.cfg.KeyRotation))) {
		return newest, err
	}
	return m.makeKey(ctx, tenant, format, newest)
}

// makeKey adds the version after a key. If another replica is faster, its key is the one.
func (m *Manager) makeKey(ctx context.Context, tenant string, format Format, after *tokenKey) (*tokenKey, error) {
	made := &tokenKey{tenant: tenant, format: format, version: 1, createdAt: m.deps.Now()}
	if after != nil {
		made.version = after.version + 1
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	if made.key, err = generate(format, tenant+"."+id.String()); err != nil {
		return nil, fmt.Errorf("make session key: %w", err)
	}
	wrapper, err := m.deps.Barrier.Tenant(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("make session key: %w", err)
	}
	text, err := made.key.MarshalPrivate()
	if err != nil {
		return nil, fmt.Errorf("make session key: %w", err)
	}
	defer clear(text)
	wrapped, err := wrapper.Wrap(made.binding(id.String()), text)
	if err != nil {
		return nil, fmt.Errorf("make session key: %w", err)
	}
	ctx = database.WithTenant(ctx, tenant)
	err = m.deps.DB.InTx(ctx, func(ctx context.Context) error {
		_, err := m.deps.DB.Exec(ctx, `INSERT INTO session_keys (tenant_id, format, version, id, jwe, created_at) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (tenant_id, format, version) DO NOTHING`, tenant, string(format), made.version, id.String(), wrapped, database.Micros(made.createdAt))
		if err != nil {
			return err
		}
		return changes.Note(ctx, m.deps.DB, tenant, changeKey, "")
	})
	if err != nil {
		return nil, fmt.Errorf("store session key: %w", err)
	}
	m.keys.Forget(tenant, "")
	return m.newestKey(ctx, tenant, format)
}

func generate(format Format, keyID string) (*jwk.Key, error) {
	if format == JWS {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		return jwk.FromMaterial(private, jwk.Attributes{ID: keyID, Algorithm: signatureAlgorithm, Use: jwk.UseSignature})
	}
	secret := make([]byte, wrapKeySize)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	defer clear(secret)
	return jwk.FromMaterial(secret, jwk.Attributes{ID: keyID, Algorithm: keyWrapAlgorithm, Use: jwk.UseEncryption})
}

// binding is where the key belongs.
func (k *tokenKey) binding(id string) barrier.Binding {
	return barrier.Binding{
		Tenant: k.tenant, Purpose: keyPurpose, ID: id, Version: k.version,
		Attributes: []barrier.Attribute{{Name: "format", Value: string(k.format)}},
	}
}

// scanKey reads and opens a stored key. Nobody who writes to the table can put one in the place of another: it would not open.
func (m *Manager) scanKey(ctx context.Context, tenant string, row *database.Row) (*tokenKey, error) {
	k := &tokenKey{tenant: tenant}
	var id, wrapped string
	var created int64
	if err := row.Scan(&k.format, &k.version, &id, &wrapped, &created); err != nil {
		return nil, err
	}
	k.createdAt = database.Time(created)
	text, err := m.deps.Barrier.Unwrap(ctx, k.binding(id), wrapped)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	if k.key, err = jwk.Parse(text); err != nil {
		return nil, err
	}
	return k, nil
}
