package barrier

import (
	"context"
	"errors"
	"fmt"
)

// Wrapper wraps values of one tenant. It is safe for concurrent use and works
// until the barrier is sealed.
type Wrapper struct {
	tenant   string
	epoch    *epoch
	keyring  *keyring
	purposes *purposes
}

// Tenant returns the wrapper for a tenant, whose keys it loads, or makes, at first
// use. Each time it makes sure that the store still has the key that the wrapper will
// use (ErrLost) and takes over a newer one. It reads and writes the store, so it is
// called before a transaction begins.
func (b *Barrier) Tenant(ctx context.Context, tenant string) (*Wrapper, error) {
	if tenant == "" {
		return nil, errors.New("barrier: no tenant is named")
	}
	e, err := b.epoch()
	if err != nil {
		return nil, err
	}
	k, err := b.keyring(ctx, e, tenant, true)
	if err == nil {
		k, err = b.confirm(ctx, e, tenant, k)
	}
	if err != nil {
		return nil, err
	}
	return &Wrapper{tenant: tenant, epoch: e, keyring: k, purposes: b.purposes}, nil
}

// confirm compares the content key that would wrap with what the store has. A store
// that was restored or failed over can lack it, and values under it would be lost with
// this process.
func (b *Barrier) confirm(ctx context.Context, e *epoch, tenant string, k *keyring) (*keyring, error) {
	rows, err := b.store.Keys(ctx, LevelContent, tenant)
	if err != nil {
		return nil, fmt.Errorf("read %s keys of tenant %q: %w", LevelContent, tenant, err)
	}
	var current ringKey
	if err := e.use(func() error { current = k.content.current; return nil }); err != nil {
		return nil, err
	}
	if current.key == nil { // forgotten meanwhile
		return b.reload(ctx, e, tenant, true)
	}
	stored := false
	for _, row := range rows {
		if row.Version > current.version {
			return b.reload(ctx, e, tenant, true)
		}
		stored = stored || row.ID == current.key.ID
	}
	if !stored {
		return nil, fmt.Errorf("%s key %s of tenant %q: %w", LevelContent, current.key.ID, tenant, ErrLost)
	}
	return k, nil
}

// Wrap encrypts a value for its place. It only computes, so it can stand inside a transaction.
func (w *Wrapper) Wrap(binding Binding, plaintext []byte) (string, error) {
	if binding.Tenant != w.tenant {
		return "", fmt.Errorf("wrap value (%s): the wrapper is tenant %q's", binding, w.tenant)
	}
	if err := binding.check(); err != nil {
		return "", fmt.Errorf("wrap value (%s): %w", binding, err)
	}
	var jwe string
	err := w.epoch.use(func() error {
		key := w.keyring.content.current.key
		if key == nil {
			return ErrLost
		}
		var err error
		jwe, err = wrap(key, binding, plaintext)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("wrap value (%s): %w", binding, err)
	}
	w.purposes.note(binding.Purpose)
	return jwe, nil
}

// Unwrap opens a value that was wrapped for this place. It reads the store when the
// tenant's keys, or a new version of them, are not in memory yet. A value that does not
// open gives a [ValueError], which names it: ErrMoved if it is another place's,
// ErrUnreadable if it is damaged. The caller clears the plaintext after use.
func (b *Barrier) Unwrap(ctx context.Context, binding Binding, jwe string) ([]byte, error) {
	if err := binding.check(); err != nil {
		return nil, fmt.Errorf("open value (%s): %w", binding, err)
	}
	e, err := b.epoch()
	if err != nil {
		return nil, err
	}
	id, err := wrappingKeyID(binding, jwe)
	if err != nil {
		return nil, err
	}
	k, err := b.keyring(ctx, e, binding.Tenant, false)
	if err != nil {
		return nil, fmt.Errorf("open value (%s): %w", binding, err)
	}
	plaintext, known, err := k.open(e, id, binding, jwe)
	if err == nil && !known { // Another replica may have made the key meanwhile.
		if k, err = b.reload(ctx, e, binding.Tenant, false); err != nil {
			return nil, fmt.Errorf("open value (%s): %w", binding, err)
		}
		plaintext, known, err = k.open(e, id, binding, jwe)
	}
	if err == nil && !known {
		err = &ValueError{binding, fmt.Errorf("%w: tenant %q has no content key %q", ErrUnreadable, binding.Tenant, id)}
	}
	if err == nil {
		b.purposes.note(binding.Purpose)
	}
	return plaintext, err
}

// Rotate adds a version to the tenant's keys of a level, LevelIntermediate or
// LevelContent, and wraps under it from then on; other replicas follow when they
// meet a value that it wrapped. What older versions wrapped still opens. When
// another replica rotates at the same moment, one new version comes of it.
func (b *Barrier) Rotate(ctx context.Context, tenant string, level Level) error {
	if tenant == "" || level != LevelIntermediate && level != LevelContent {
		return fmt.Errorf("rotate %s key of tenant %q: only a tenant's intermediate and content keys rotate here", level, tenant)
	}
	e, err := b.epoch()
	if err != nil {
		return err
	}
	err = b.following(ctx, e, func() error { return b.rotate(ctx, e, tenant, level) })
	if err == nil {
		_, err = b.reload(ctx, e, tenant, true)
	}
	if err != nil {
		return fmt.Errorf("rotate %s key of tenant %q: %w", level, tenant, err)
	}
	return nil
}

func (b *Barrier) rotate(ctx context.Context, e *epoch, tenant string, level Level) error {
	if err := b.followRoots(ctx, e); err != nil {
		return err
	}
	k, err := b.reload(ctx, e, tenant, true)
	if err != nil {
		return err
	}
	parents, version := e.root, int64(0)
	err = e.use(func() error {
		version = k.intermediate.current.version
		if level == LevelContent {
			parents, version = k.intermediate, k.content.current.version
		}
		return nil
	})
	if err != nil {
		return err
	}
	return b.insert(ctx, e, level, tenant, parents, version+1)
}

// open opens a value with the content key of that id; known is false if there is none.
func (k *keyring) open(e *epoch, id string, binding Binding, jwe string) (plaintext []byte, known bool, err error) {
	err = e.use(func() error {
		content, ok := k.content.keys[id]
		if !ok {
			return nil
		}
		known = true
		var err error
		plaintext, err = open(content.key, binding, jwe)
		return err
	})
	return plaintext, known, err
}
