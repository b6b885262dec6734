package unseal

import (
	"context"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/secretshare"
)

// VerifyRekey proves the new unseal material: in the mode Shamir by a threshold of the new shares, one with each call; in the others
// text is empty.
func (o *Operator) VerifyRekey(ctx context.Context, text string) (RekeyStatus, error) {
	rekey, err := o.rekey(ctx)
	if err != nil {
		return RekeyStatus{}, err
	}
	var key []byte
	if rekey.Mode == Shamir {
		key, err = o.collectNew(rekey, text)
	} else {
		key, err = o.obtainNew(ctx, rekey, text)
	}
	if err != nil {
		return RekeyStatus{}, fmt.Errorf("verify rekeying: %w", err)
	}
	if key != nil {
		defer clear(key)
		if err := o.barrier.CheckUnsealKey(ctx, key, rekey.ToKeyID); err != nil {
			return RekeyStatus{}, fmt.Errorf("verify rekeying: %w", refuse(invalidState, err))
		}
		if err := told(o.store.VerifyRekey(ctx, rekey.ID, o.now())); err != nil {
			return RekeyStatus{}, err
		}
	}
	return o.RekeyStatus(ctx)
}

// collectNew adds a new share; the key is nil while others are missing.
func (o *Operator) collectNew(rekey Rekey, text string) ([]byte, error) {
	if text == "" {
		return nil, refuse(badRequest, errors.New("the new shares verify this rekeying: submit one"))
	}
	share, err := secretshare.ParseShare(text)
	if err != nil {
		return nil, refuse(badRequest, err)
	}
	if shamirKeyID(share.SetID()) != rekey.ToKeyID {
		defer share.Zero()
		return nil, refuse(badRequest, &secretshare.ShareError{Index: share.Index(), SetID: share.SetID(), Err: fmt.Errorf("%w: the new one is %s", secretshare.ErrForeign, rekey.ToKeyID)})
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.verifying.add(share, o.now()); err != nil {
		return nil, refuse(badRequest, err)
	}
	if o.verifying.missing() > 0 {
		return nil, nil
	}
	key, _, err := o.combine(&o.verifying, nil)
	return key, err
}

// obtainNew gets the new unseal key from its material, which is in memory where the rekeying began, and in the configuration of a replica
// that was started with it since.
func (o *Operator) obtainNew(ctx context.Context, rekey Rekey, text string) ([]byte, error) {
	if text != "" {
		return nil, refuse(badRequest, fmt.Errorf("mode %s is verified without shares", rekey.Mode))
	}
	stored, err := o.store.SealedKeys(ctx)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	sources := []source{o.next, o.source}
	o.mu.Unlock()
	for _, src := range sources {
		if src != nil && src.owns(rekey.ToKeyID, stored) {
			return src.obtain(ctx, rekey.ToKeyID, stored)
		}
	}
	return nil, refuse(invalidState, fmt.Errorf("this replica does not have the new material (%s): verify where the rekeying began, or start a replica with it", rekey.ToKeyID))
}
