package unseal

import (
	"context"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
)

// RotateRoot adds a root key to the open barrier, which takes the unseal key. In the mode Shamir each call
// brings a share, until the set's threshold is reached; in the others share is empty, or a recovery share.
// done tells that it has rotated.
func (o *Operator) RotateRoot(ctx context.Context, share string) (progress Progress, done bool, err error) {
	if o.barrier.Sealed() {
		return Progress{}, false, barrier.ErrSealed
	}
	key, id, err := o.authorize(ctx, &o.rotating, share)
	if err == nil && key != nil {
		err = o.barrier.RotateRoot(ctx, key, id)
		clear(key)
		done = err == nil
		if errors.Is(err, barrier.ErrRekeying) || errors.Is(err, barrier.ErrWrongUnsealKey) {
			err = refuse(invalidState, err)
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rotating.expire(o.now())
	if err != nil {
		err = fmt.Errorf("rotate root key: %w", err)
	}
	return o.rotating.progress(), done, err
}
