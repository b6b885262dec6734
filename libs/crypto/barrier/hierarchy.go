package barrier

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

const (
	// wrappingKeySize is the length in bytes of an A256KW key.
	wrappingKeySize = 32
	// A root key is a wrapping key followed by a derivation key: a key serves one
	// purpose only (NIST SP 800-57 part 1 section 5.2).
	rootKeySize = wrappingKeySize + 32
)

// loadRoot fills the epoch's root ring, which nobody else sees yet.
func (b *Barrier) loadRoot(ctx context.Context, e *epoch, unseal *ring) error {
	rows, err := b.rows(ctx, e, LevelRoot, "", unseal, true)
	if err != nil {
		return err
	}
	oldest := rows[0]
	for _, row := range rows {
		if row.Version < oldest.Version {
			oldest = row
		}
	}
	for _, row := range rows {
		secret, err := openRow(e, row, unseal)
		if err != nil {
			return err
		}
		if row.ID == oldest.ID {
			e.derivation = bytes.Clone(secret[wrappingKeySize:])
		}
		key, err := newWrappingKey(row.ID, secret[:wrappingKeySize])
		clear(secret)
		if err != nil {
			return fmt.Errorf("open %s key %s: %w", row.Level, row.ID, err)
		}
		e.root.add(ringKey{row.Version, key})
	}
	return nil
}

// keyring returns the tenant's keys, from memory if they are there. Without create,
// a tenant that has none gets an empty keyring.
func (b *Barrier) keyring(ctx context.Context, e *epoch, tenant string, create bool) (*keyring, error) {
	var cached *keyring
	err := e.use(func() error {
		cached = e.tenants[tenant]
		if cached != nil && create && cached.content.current.key == nil {
			cached = nil
		}
		return nil
	})
	if err != nil || cached != nil {
		return cached, err
	}
	return b.reload(ctx, e, tenant, create)
}

// reload reads the tenant's keys from the store and adds to memory what is new.
func (b *Barrier) reload(ctx context.Context, e *epoch, tenant string, create bool) (*keyring, error) {
	loaded := &keyring{intermediate: newRing(), content: newRing()}
	err := b.loadRing(ctx, e, LevelIntermediate, tenant, e.root, loaded.intermediate, create)
	if err == nil {
		err = b.loadRing(ctx, e, LevelContent, tenant, loaded.intermediate, loaded.content, create)
	}
	if err != nil {
		loaded.zero()
		return nil, fmt.Errorf("load keys of tenant %q: %w", tenant, err)
	}
	return e.adopt(tenant, loaded)
}

func (b *Barrier) loadRing(ctx context.Context, e *epoch, level Level, tenant string, parents, into *ring, create bool) error {
	rows, err := b.rows(ctx, e, level, tenant, parents, create)
	if err != nil {
		return err
	}
	for _, row := range rows {
		secret, err := openRow(e, row, parents)
		if err != nil {
			return err
		}
		key, err := newWrappingKey(row.ID, secret)
		clear(secret)
		if err != nil {
			return fmt.Errorf("open %s key %s: %w", row.Level, row.ID, err)
		}
		into.add(ringKey{row.Version, key})
	}
	return nil
}

// rows reads what the store has. With create, it makes version 1 where there is
// nothing; whoever inserts first wins, so the result is what the store says then.
func (b *Barrier) rows(ctx context.Context, e *epoch, level Level, tenant string, parents *ring, create bool) ([]WrappedKey, error) {
	rows, err := b.store.Keys(ctx, level, tenant)
	if err == nil && len(rows) == 0 && create {
		if err = b.insert(ctx, e, level, tenant, parents, 1); err == nil {
			rows, err = b.store.Keys(ctx, level, tenant)
		}
		if err == nil && len(rows) == 0 {
			err = errors.New("the store does not return what was inserted")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read %s keys: %w", level, err)
	}
	for i := range rows {
		rows[i].Level, rows[i].Tenant = level, tenant // What was asked for counts, whatever the row says.
	}
	return rows, nil
}

// insert makes a new key under the current parent and offers it to the store.
func (b *Barrier) insert(ctx context.Context, e *epoch, level Level, tenant string, parents *ring, version int64) error {
	size := wrappingKeySize
	if level == LevelRoot {
		size = rootKeySize
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make %s key: %w", level, err)
	}
	secret := make([]byte, size)
	defer clear(secret)
	if _, err := rand.Read(secret); err != nil {
		return fmt.Errorf("make %s key: %w", level, err)
	}
	row := WrappedKey{Level: level, Tenant: tenant, ID: id.String(), Version: version, CreatedAt: b.now()}
	err = e.use(func() error {
		var err error
		row.ParentID = parents.current.key.ID
		row.JWE, err = wrap(parents.current.key, row.binding(), secret)
		return err
	})
	if err != nil {
		return fmt.Errorf("wrap %s key: %w", level, err)
	}
	if _, err := b.store.Insert(ctx, row); err != nil {
		return fmt.Errorf("insert %s key: %w", level, err)
	}
	return nil
}

// openRow unwraps a stored key.
func openRow(e *epoch, row WrappedKey, parents *ring) ([]byte, error) {
	size := wrappingKeySize
	if row.Level == LevelRoot {
		size = rootKeySize
	}
	id, err := wrappingKeyID(row.binding(), row.JWE)
	if err != nil {
		return nil, err
	}
	var secret []byte
	err = e.use(func() error {
		parent, known := parents.keys[id]
		if !known {
			return &ValueError{row.binding(), fmt.Errorf("%w: it is wrapped by %q", ErrUnreadable, id)}
		}
		var err error
		secret, err = open(parent.key, row.binding(), row.JWE)
		return err
	})
	if err == nil && len(secret) != size {
		clear(secret)
		err = &ValueError{row.binding(), fmt.Errorf("%w: a key of %d bytes", ErrUnreadable, len(secret))}
	}
	return secret, err
}

// binding binds a stored key to its place in the hierarchy.
func (k WrappedKey) binding() Binding {
	return Binding{
		Tenant: k.Tenant, Purpose: "barrier/" + string(k.Level), ID: k.ID, Version: k.Version,
		Attributes: []Attribute{{Name: "parent_id", Value: k.ParentID}},
	}
}
