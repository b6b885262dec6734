package barrier

import (
	"context"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
)

// Current tells whether a value is wrapped by the newest content key of its tenant that this
// replica knows. One that is not should be unwrapped, wrapped and stored again when that is
// convenient: with the old text in the condition of the update, since others may do so at the
// same time. What cannot be told counts as current.
func (b *Barrier) Current(tenant, compact string) bool {
	e := b.open.Load()
	header, err := jwe.ParseHeader(compact)
	if e == nil || err != nil {
		return true
	}
	current := true
	_ = e.use(func() error { // a barrier sealed meanwhile cannot tell either
		if k := e.tenants[tenant]; k != nil && k.content.current.key != nil {
			current = k.content.current.key.ID == header.KeyID
		}
		return nil
	})
	return current
}

// RewrapKeys puts the tenant's intermediate keys under the newest root key, and its content
// keys under the newest intermediate key. It returns how many changed their parent. The keys
// themselves, and what they wrap, stay as they are. It may be repeated, and interrupted.
func (b *Barrier) RewrapKeys(ctx context.Context, tenant string) (rewrapped int, err error) {
	e, err := b.epoch()
	if err == nil {
		err = b.followRoots(ctx, e)
	}
	if err == nil {
		err = b.following(ctx, e, func() error {
			n, err := b.rewrapTenant(ctx, e, tenant)
			rewrapped += n
			return err
		})
	}
	if err != nil {
		return rewrapped, fmt.Errorf("rewrap keys of tenant %q: %w", tenant, err)
	}
	return rewrapped, nil
}

func (b *Barrier) rewrapTenant(ctx context.Context, e *epoch, tenant string) (rewrapped int, err error) {
	k, err := b.reload(ctx, e, tenant, false)
	if err != nil {
		return 0, err
	}
	rewrapped, err = b.rewrapLevel(ctx, e, LevelIntermediate, tenant, e.root)
	if err != nil {
		return rewrapped, err
	}
	n, err := b.rewrapLevel(ctx, e, LevelContent, tenant, k.intermediate)
	return rewrapped + n, err
}

func (b *Barrier) rewrapLevel(ctx context.Context, e *epoch, level Level, tenant string, parents *ring) (rewrapped int, err error) {
	rows, err := b.rows(ctx, e, level, tenant, parents, false)
	if err != nil {
		return 0, err
	}
	for _, row := range rows {
		current := false
		err := e.use(func() error {
			if parents.current.key == nil {
				return ErrParentGone
			}
			current = row.ParentID == parents.current.key.ID
			return nil
		})
		if err != nil {
			return rewrapped, err
		}
		if current {
			continue
		}
		secret, err := openRow(e, row, parents)
		if err != nil {
			return rewrapped, err
		}
		next := row
		err = wrapRow(e, &next, parents, secret)
		clear(secret)
		if err != nil {
			return rewrapped, err
		}
		replaced, err := b.store.Replace(ctx, row, next)
		if err != nil {
			return rewrapped, err
		}
		if replaced {
			rewrapped++
		}
	}
	return rewrapped, nil
}
