package barrier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// RotateRoot adds a root key under the unseal key in force, which the caller has
// obtained anew, and wraps intermediate keys under it from then on. What older root
// keys wrapped still opens. The new key is stored under the current one as well, for
// [SuccessionTime], so that other replicas follow without an unseal key. When another
// replica rotates at the same moment, one new root key comes of it. The error is
// ErrWrongUnsealKey for another unseal key, and ErrRekeying while that is being changed.
func (b *Barrier) RotateRoot(ctx context.Context, unsealKey []byte, unsealKeyID string) error {
	e, err := b.epoch()
	if err == nil {
		err = b.rotateRoot(ctx, e, unsealKey, unsealKeyID)
	}
	if err != nil {
		return fmt.Errorf("rotate root key: %w", err)
	}
	return nil
}

func (b *Barrier) rotateRoot(ctx context.Context, e *epoch, unsealKey []byte, unsealKeyID string) error {
	parent, err := newUnsealKey(unsealKey, unsealKeyID)
	if err != nil {
		return err
	}
	defer parent.zero()
	rows, err := b.rows(ctx, e, LevelRoot, "", parent, false)
	if err != nil {
		return err
	}
	newest := newestOf(rows)
	current, err := openRow(e, newest, parent)
	clear(current)
	if errors.Is(err, ErrUnreadable) {
		return fmt.Errorf("%w (%w)", ErrWrongUnsealKey, err)
	}
	if err == nil {
		err = b.followRoots(ctx, e)
	}
	if err != nil {
		return err
	}
	root, secret, err := b.newRow(LevelRoot, "", newest.Version+1)
	if err != nil {
		return err
	}
	defer clear(secret)
	if err := wrapRow(e, &root, parent, secret); err != nil {
		return err
	}
	// Derived keys come from the oldest root key, so that a successor needs the wrapping part alone.
	succession := WrappedKey{Level: LevelSuccession, ID: successionID(root.ID), Version: root.Version, CreatedAt: root.CreatedAt}
	if err := wrapRow(e, &succession, e.root, secret[:wrappingKeySize]); err != nil {
		return err
	}
	if _, err := b.store.Insert(ctx, root, succession); err != nil {
		return fmt.Errorf("insert root key: %w", err)
	}
	return b.followRoots(ctx, e)
}

// Stage opens every root key with the unseal key in force, wraps it by another one,
// proves that this opens again, and returns the rows of [LevelStaged] for the store. It
// needs no open barrier.
func (b *Barrier) Stage(ctx context.Context, fromKey []byte, fromID string, toKey []byte, toID string) ([]WrappedKey, error) {
	staged, err := b.stage(ctx, fromKey, fromID, toKey, toID)
	if err != nil {
		return nil, fmt.Errorf("stage root keys: %w", err)
	}
	return staged, nil
}

func (b *Barrier) stage(ctx context.Context, fromKey []byte, fromID string, toKey []byte, toID string) ([]WrappedKey, error) {
	from, err := newUnsealKey(fromKey, fromID)
	if err != nil {
		return nil, err
	}
	defer from.zero()
	to, err := newUnsealKey(toKey, toID)
	if err != nil {
		return nil, err
	}
	defer to.zero()
	e := newEpoch() // guards nothing: both keys are this function's own
	rows, err := b.rows(ctx, e, LevelRoot, "", from, false)
	if err == nil {
		err = noRoots(rows)
	}
	if err != nil {
		return nil, err
	}
	staged := make([]WrappedKey, 0, len(rows))
	for _, row := range rows {
		secret, err := openRow(e, row, from)
		if errors.Is(err, ErrUnreadable) {
			return nil, fmt.Errorf("%w (%w)", ErrWrongUnsealKey, err)
		}
		if err == nil {
			err = wrapRow(e, &row, to, secret)
		}
		clear(secret)
		if err != nil {
			return nil, err
		}
		proof, err := openRow(e, row, to)
		clear(proof)
		if err != nil {
			return nil, err
		}
		row.Level, row.ID, row.CreatedAt = LevelStaged, stagedID(row.ID), b.now()
		staged = append(staged, row)
	}
	slices.SortFunc(staged, func(x, y WrappedKey) int { return cmp.Compare(x.Version, y.Version) })
	return staged, nil
}

// stagedID is the row id of a root key that is staged. The store commits by it.
func stagedID(root string) string { return "staged/" + root }

// successionID is the row id of a root key under the one before it.
func successionID(root string) string { return "succession/" + root }
