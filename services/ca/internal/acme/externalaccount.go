package acme

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
)

// ExternalKey is a secret by which somebody who is known elsewhere binds an account here, once (RFC 8555 section 7.3.4).
type ExternalKey struct {
	Tenant, ID string
	// Directory is the one that it is for; "" for any.
	Directory string
	// Label says for people whose it is.
	Label string
	// Wrapped is the secret as the barrier keeps it; empty when it is gone.
	Wrapped string
	// Account is the one that it has bound; "" for none.
	Account                                  string
	CreatedAt, ExpiresAt, BoundAt, RevokedAt time.Time
}

// Barrier keeps secrets encrypted; barrier.Barrier is one. Its methods fail while it is sealed.
type Barrier interface {
	Keys
	// Tenant is what wraps values of a tenant. Ask for it before a transaction begins.
	Tenant(ctx context.Context, tenant string) (*barrier.Wrapper, error)
	// Unwrap opens a value. The caller clears it after use.
	Unwrap(ctx context.Context, binding barrier.Binding, wrapped string) ([]byte, error)
}

const (
	// purposeExternalKey is the barrier's label for these keys. It is part of what is authenticated: it never changes.
	purposeExternalKey = "ca/acme-external-key"
	// externalKeySize is that of the largest hash that a binding is made with, in bytes (RFC 7518 section 3.2: at least the hash).
	externalKeySize = 64
	// maxLabel is the length of the longest label.
	maxLabel = 200
)

// bindingAlgorithms are the MACs of bindings.
var bindingAlgorithms = []string{"HS256", "HS384", "HS512"}

// ExternalKeyBinding says where a wrapped key belongs.
func ExternalKeyBinding(key ExternalKey) barrier.Binding {
	return barrier.Binding{
		Tenant: key.Tenant, Purpose: purposeExternalKey, ID: key.ID, Attributes: []barrier.Attribute{{Name: "directory", Value: key.Directory}},
	}
}

// CreateExternalKey makes a key for one account to come, and returns it with its secret, which is shown this once. A lifetime of 0 is for ever.
func (s *Server) CreateExternalKey(ctx context.Context, tenant, directory, label string, lifetime time.Duration) (ExternalKey, []byte, error) {
	if len(label) > maxLabel || lifetime < 0 {
		return ExternalKey{}, nil, NewError(Malformed, "a label has at most %d bytes, and a lifetime is not negative", maxLabel)
	}
	if directory != "" {
		if _, err := s.directories.Directory(ctx, tenant, directory); err != nil {
			return ExternalKey{}, nil, err
		}
	}
	wrapper, err := s.barrier.Tenant(ctx, tenant)
	if err != nil {
		return ExternalKey{}, nil, fmt.Errorf("open barrier for tenant: %w", err)
	}
	secret := make([]byte, externalKeySize)
	if _, err := rand.Read(secret); err != nil {
		return ExternalKey{}, nil, fmt.Errorf("make external account key: %w", err)
	}
	key := ExternalKey{Tenant: tenant, ID: newID(), Directory: directory, Label: label, CreatedAt: s.now()}
	if lifetime > 0 {
		key.ExpiresAt = key.CreatedAt.Add(lifetime)
	}
	if key.Wrapped, err = wrapper.Wrap(ExternalKeyBinding(key), secret); err != nil {
		return ExternalKey{}, nil, fmt.Errorf("wrap external account key: %w", err)
	}
	err = s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.store.InsertExternalKey(ctx, key); err != nil {
			return err
		}
		return s.record(ctx, tenant, ActionExternalKeyCreate, ObjectExternalKey, key.ID, directory)
	})
	return key, secret, err
}

// ExternalKeys lists keys, without their secrets, in order of id after an id.
func (s *Server) ExternalKeys(ctx context.Context, tenant, after string, limit int) ([]ExternalKey, error) {
	return s.store.ExternalKeys(ctx, tenant, after, limit)
}

// ExternalKey reads a key without its secret; ErrNotFound.
func (s *Server) ExternalKey(ctx context.Context, tenant, id string) (ExternalKey, error) {
	return s.store.ExternalKey(ctx, tenant, id)
}

// RevokeExternalKey makes a key useless. An account that it has bound stays, and can be revoked by itself. ErrNotFound, ErrStale.
func (s *Server) RevokeExternalKey(ctx context.Context, tenant, id string) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.store.RevokeExternalKey(ctx, tenant, id, s.now()); err != nil {
			return err
		}
		return s.record(ctx, tenant, ActionExternalKeyRevoke, ObjectExternalKey, id, "")
	})
}

// RevokeAccount takes an account away from its owner. ErrNotFound, ErrStale.
func (s *Server) RevokeAccount(ctx context.Context, tenant, id string) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		account, err := s.store.Account(ctx, tenant, id)
		if err != nil {
			return err
		}
		account.Status, account.UpdatedAt = AccountRevoked, s.now()
		if err := s.store.CancelOrders(ctx, tenant, id, account.UpdatedAt); err != nil {
			return err
		}
		if err := s.store.UpdateAccount(ctx, account); err != nil {
			return err
		}
		return s.record(ctx, tenant, ActionAccountRevoke, ObjectAccount, id, account.Directory)
	})
}

// refusedBinding is one answer for keys that do not exist, are used, revoked or expired, and for wrong MACs.
func refusedBinding() *Error {
	return NewError(Unauthorized, "the external account binding is not valid")
}

// checkBinding verifies the JWS inside a request for an account, and returns the id of its key (RFC 8555 section 7.3.4).
func (s *Server) checkBinding(ctx context.Context, m *Message, raw []byte) (string, error) {
	parsed, err := jws.Parse(raw, jws.Allow{})
	if err != nil || parsed.Serialization != jws.Flattened || parsed.Detached || parsed.Signatures[0].Unprotected != nil {
		return "", NewError(Malformed, "the external account binding is no JWS in flattened JSON serialization").because(err)
	}
	header := parsed.Signatures[0].Protected
	if !slices.Contains(bindingAlgorithms, header.Algorithm) {
		refusal := NewError(BadSignatureAlgorithm, "the external account binding is made with an algorithm that is not accepted")
		refusal.Algorithms = slices.Clone(bindingAlgorithms)
		return "", refusal
	}
	if _, there := header.Extra["nonce"]; there || header.KeyID == "" {
		return "", NewError(Malformed, `the external account binding has a "kid" and no "nonce"`)
	}
	if err := checkURL(header, m.URL); err != nil {
		return "", err
	}
	secret, err := s.externalSecret(ctx, m.Site, header.KeyID)
	if err != nil {
		return "", err
	}
	defer secret.Zero()
	payload, _, err := parsed.Verify(0, secret, jws.Expect{Algorithm: header.Algorithm})
	if err != nil {
		return "", refusedBinding().because(err)
	}
	bound, err := jwk.Parse(payload)
	if err != nil || bound.IsPrivate() || bound.ThumbprintSHA256() != m.Key.ThumbprintSHA256() {
		return "", NewError(Malformed, "the payload of the external account binding is not the account's key").because(err)
	}
	return header.KeyID, nil
}

// externalSecret opens the key that a binding names.
func (s *Server) externalSecret(ctx context.Context, site Site, id string) (*jwk.Key, error) {
	if !isID(id) {
		return nil, refusedBinding()
	}
	key, err := s.store.ExternalKey(ctx, site.Tenant, id)
	if errors.Is(err, ErrNotFound) {
		return nil, refusedBinding()
	}
	if err != nil {
		return nil, fmt.Errorf("read external account key: %w", err)
	}
	expired := !key.ExpiresAt.IsZero() && !s.now().Before(key.ExpiresAt)
	if expired || key.Account != "" || !key.RevokedAt.IsZero() || key.Wrapped == "" || key.Directory != "" && key.Directory != site.Directory.Name {
		return nil, refusedBinding()
	}
	secret, err := s.barrier.Unwrap(ctx, ExternalKeyBinding(key), key.Wrapped)
	if err != nil {
		return nil, fmt.Errorf("open external account key: %w", err)
	}
	defer clear(secret)
	return jwk.FromMaterial(secret, jwk.Attributes{})
}
