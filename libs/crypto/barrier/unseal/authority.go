package unseal

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secretshare"
)

// knownKeys are the unseal keys that open the barrier now.
type knownKeys struct {
	// ids are that in force and that of a rekeying under way; none before the first unsealing.
	ids    []string
	sealed []SealedKey
}

// known reads them in an order that finds the one in force also while a rekeying is committed.
func (o *Operator) known(ctx context.Context) (known knownKeys, err error) {
	staged := ""
	if o.store != nil {
		rekey, err := o.store.Rekey(ctx)
		if err != nil && !errors.Is(err, ErrNoRekey) {
			return knownKeys{}, err
		}
		staged = rekey.ToKeyID
	}
	id, err := o.barrier.UnsealKeyID(ctx)
	if err != nil {
		return knownKeys{}, err
	}
	for _, id := range []string{id, staged} {
		if id != "" {
			known.ids = append(known.ids, id)
		}
	}
	if o.store != nil {
		known.sealed, err = o.store.SealedKeys(ctx)
	}
	return known, err
}

// obtain gets an unseal key that opens the barrier from the material at hand. Where there is no root key yet, it makes one, or takes one that was stored
// by a process that got no further.
func (o *Operator) obtain(ctx context.Context, src source) (key []byte, id string, err error) {
	known, err := o.known(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("look for the unseal key: %w", err)
	}
	candidates := known.ids
	if len(candidates) == 0 {
		for _, sealed := range known.sealed {
			candidates = append(candidates, sealed.UnsealKeyID)
		}
	}
	for _, id := range candidates {
		if src.owns(id, known.sealed) {
			key, err := src.obtain(ctx, id, known.sealed)
			return key, id, err
		}
	}
	if len(known.ids) > 0 {
		return nil, "", fmt.Errorf("%w: this installation was sealed with %s, the configuration has other material for mode %s",
			barrier.ErrWrongUnsealKey, known.ids[0], src.mode())
	}
	key, id, sealed, err := src.create(ctx, o.now())
	if err == nil && sealed != nil {
		err = o.store.AddSealedKey(ctx, *sealed)
	}
	return key, id, err
}

// recoveryOf is the sealed key that the share's set opens, if it is a recovery share.
func (k knownKeys) recoveryOf(share secretshare.Share) *SealedKey {
	at := slices.IndexFunc(k.sealed, func(s SealedKey) bool { return s.Mode == Recovery && s.Sealer == share.SetID() })
	if at < 0 {
		return nil
	}
	return &k.sealed[at]
}

// check reads a share and compares its set with those that open the barrier. For a recovery share it returns what that opens.
func (o *Operator) check(ctx context.Context, text string) (secretshare.Share, *SealedKey, error) {
	share, err := secretshare.ParseShare(text)
	if err != nil {
		return secretshare.Share{}, nil, refuse(badRequest, err)
	}
	known, err := o.known(ctx)
	if err != nil {
		share.Zero()
		return secretshare.Share{}, nil, fmt.Errorf("submit share: %w", err)
	}
	if recovery := known.recoveryOf(share); recovery != nil {
		return share, recovery, nil
	}
	o.mu.Lock()
	mode := o.mode
	o.mu.Unlock()
	switch {
	case slices.Contains(known.ids, shamirKeyID(share.SetID())), len(known.ids) == 0 && mode == Shamir:
		return share, nil, nil
	case mode != Shamir && !slices.ContainsFunc(known.ids, func(id string) bool { return modeOf(id) == Shamir }):
		share.Zero()
		return secretshare.Share{}, nil, refuse(invalidState, fmt.Errorf("unseal shares are for mode %s, this is mode %s, and it is no recovery share", Shamir, mode))
	default:
		err := &secretshare.ShareError{Index: share.Index(), SetID: share.SetID(), Err: fmt.Errorf("%w: this installation was sealed with %s", secretshare.ErrForeign, known.ids[0])}
		share.Zero()
		return secretshare.Share{}, nil, refuse(badRequest, err)
	}
}

// combine makes the unseal key of a full collection, and forgets it. recovery is what the shares open if they are recovery shares.
func (o *Operator) combine(c *collection, recovery *SealedKey) (key []byte, id string, err error) {
	defer c.forget()
	secret, err := secretshare.Combine(c.shares())
	if err != nil {
		return nil, "", refuse(badRequest, err)
	}
	defer clear(secret)
	if recovery == nil {
		key, err := unsealKey(secret, Shamir)
		return key, shamirKeyID(c.progress().SetID), err
	}
	if key, err = openRecovery(secret, *recovery); err != nil {
		return nil, "", fmt.Errorf("open the unseal key with recovery shares: %w", err)
	}
	return key, recovery.UnsealKeyID, nil
}

// authorize obtains the unseal key for a purpose: from the material at hand, or, in the mode Shamir or when that has been lost, from
// shares, of which this is one. A nil key without an error means that more shares are wanted.
func (o *Operator) authorize(ctx context.Context, c *collection, text string) (key []byte, id string, err error) {
	if text == "" {
		o.mu.Lock()
		src := o.source
		o.mu.Unlock()
		if src == nil {
			return nil, "", refuse(badRequest, errors.New("unseal shares authorize this: submit one"))
		}
		key, id, err = o.obtain(ctx, src)
		if errors.Is(err, barrier.ErrWrongUnsealKey) {
			err = refuse(invalidState, err)
		}
		return key, id, err
	}
	share, recovery, err := o.check(ctx, text)
	if err != nil {
		return nil, "", err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := c.add(share, o.now()); err != nil {
		return nil, "", refuse(badRequest, err)
	}
	if c.missing() > 0 {
		return nil, "", nil
	}
	return o.combine(c, recovery)
}

// checkCycle refuses a remote whose own unsealing needs this installation.
func (o *Operator) checkCycle(ctx context.Context, remote Remote) error {
	if remote == nil || o.installation == "" {
		return nil
	}
	needs, err := remote.Dependencies(ctx)
	if err != nil {
		return fmt.Errorf("ask %s what its unsealing depends on: %w", remote.Name(), err)
	}
	if slices.Contains(needs, o.installation) {
		return refuse(invalidState, fmt.Errorf("%s cannot unseal this installation, %s: %w (%q)", remote.Name(), o.installation, ErrCycle, needs))
	}
	return nil
}
