package barrier

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

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
func (b *Barrier) loadRoot(ctx context.Context, e *epoch, unseal *ring, create bool) error {
	rows, err := b.rootRows(ctx, e, unseal, create)
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

// rootRows reads the root keys as the unseal key wraps them: those in force, or the staged ones.
func (b *Barrier) rootRows(ctx context.Context, e *epoch, unseal *ring, create bool) ([]WrappedKey, error) {
	if err := b.checkFirstRoot(ctx, create); err != nil {
		return nil, err
	}
	rows, err := b.rows(ctx, e, LevelRoot, "", unseal, create)
	if err != nil {
		return nil, err
	}
	id := unseal.current.key.ID
	if len(rows) == 0 || newestOf(rows).ParentID == id {
		return rows, noRoots(rows)
	}
	staged, err := b.store.Keys(ctx, LevelStaged, "")
	if err != nil {
		return nil, fmt.Errorf("read %s keys: %w", LevelStaged, err)
	}
	if substitute, ok := substituteStaged(rows, staged, id); ok {
		return substitute, nil
	}
	return rows, nil
}

func noRoots(rows []WrappedKey) error {
	if len(rows) == 0 {
		return fmt.Errorf("%w: there is no root key yet", ErrWrongUnsealKey)
	}
	return nil
}

// substituteStaged puts the staged wrapping by the unseal key in the place of the one in force; ok only if it is there for every root key.
func substituteStaged(rows, staged []WrappedKey, unsealKeyID string) (substitute []WrappedKey, ok bool) {
	for _, row := range rows {
		at := slices.IndexFunc(staged, func(s WrappedKey) bool {
			return s.ID == stagedID(row.ID) && s.Version == row.Version && s.ParentID == unsealKeyID
		})
		if at < 0 {
			return nil, false
		}
		row.ParentID, row.JWE = staged[at].ParentID, staged[at].JWE
		substitute = append(substitute, row)
	}
	return substitute, true
}

// checkFirstRoot refuses to make a root key where one must have been lost.
func (b *Barrier) checkFirstRoot(ctx context.Context, create bool) error {
	if !create || b.inUse == nil {
		return nil
	}
	rows, err := b.store.Keys(ctx, LevelRoot, "")
	if err != nil || len(rows) > 0 {
		return err
	}
	used, err := b.inUse(ctx)
	if err != nil {
		return fmt.Errorf("look for values: %w", err)
	}
	if used {
		return ErrInUse
	}
	return nil
}

func newestOf(rows []WrappedKey) (newest WrappedKey) {
	for _, row := range rows {
		if row.Version > newest.Version {
			newest = row
		}
	}
	return newest
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
func (b *Barrier) reload(ctx context.Context, e *epoch, tenant string, create bool) (k *keyring, err error) {
	err = b.following(ctx, e, func() error {
		k, err = b.loadTenant(ctx, e, tenant, create)
		return err
	})
	return k, err
}

// following does something with stored keys that may be wrapped by a key which another replica has made or retired
// a moment ago: then it takes over the root keys and does it again, for as long as the store changes meanwhile.
func (b *Barrier) following(ctx context.Context, e *epoch, do func() error) error {
	err := do()
	for known := int64(-1); errors.Is(err, errUnknownParent) || errors.Is(err, ErrParentGone); {
		generation, failure := b.store.Generation(ctx)
		if failure != nil || generation == known {
			return errors.Join(err, failure)
		}
		known = generation
		if failure := b.followRoots(ctx, e); failure != nil {
			return failure
		}
		err = do()
	}
	return err
}

func (b *Barrier) loadTenant(ctx context.Context, e *epoch, tenant string, create bool) (*keyring, error) {
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
	row, secret, err := b.newRow(level, tenant, version)
	if err != nil {
		return err
	}
	defer clear(secret)
	if err := wrapRow(e, &row, parents, secret); err != nil {
		return err
	}
	if _, err := b.store.Insert(ctx, row); err != nil {
		return fmt.Errorf("insert %s key: %w", level, err)
	}
	return nil
}

// newRow makes a key without a parent.
func (b *Barrier) newRow(level Level, tenant string, version int64) (row WrappedKey, secret []byte, err error) {
	id, err := uuid.NewV7()
	if err != nil {
		return WrappedKey{}, nil, fmt.Errorf("make %s key: %w", level, err)
	}
	secret = make([]byte, level.size())
	if _, err := rand.Read(secret); err != nil {
		return WrappedKey{}, nil, fmt.Errorf("make %s key: %w", level, err)
	}
	return WrappedKey{Level: level, Tenant: tenant, ID: id.String(), Version: version, CreatedAt: b.now()}, secret, nil
}

// wrapRow puts the key under the current parent.
func wrapRow(e *epoch, row *WrappedKey, parents *ring, secret []byte) error {
	err := e.use(func() error {
		if parents.current.key == nil {
			return ErrParentGone
		}
		var err error
		row.ParentID = parents.current.key.ID
		row.JWE, err = wrap(parents.current.key, row.binding(), secret)
		return err
	})
	if err != nil {
		return fmt.Errorf("wrap %s key: %w", row.Level, err)
	}
	return nil
}

func (l Level) size() int {
	if l == LevelRoot {
		return rootKeySize
	}
	return wrappingKeySize
}

// openRow unwraps a stored key.
func openRow(e *epoch, row WrappedKey, parents *ring) ([]byte, error) {
	id, err := wrappingKeyID(row.binding(), row.JWE)
	if err != nil {
		return nil, err
	}
	var secret []byte
	err = e.use(func() error {
		parent, known := parents.keys[id]
		if !known {
			return &ValueError{row.binding(), fmt.Errorf("%w: %w: %q", ErrUnreadable, errUnknownParent, id)}
		}
		var err error
		secret, err = open(parent.key, row.binding(), row.JWE)
		return err
	})
	if err == nil && len(secret) != row.Level.size() {
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
