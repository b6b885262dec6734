package unseal

import (
	"context"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// NewRecovery makes recovery shares: any threshold of them open the unseal key in force, in a mode without shares, when its own
// material is lost. They count once a threshold of them has proven that ([Operator.VerifyRecovery]); those before
// stay until then. A rekeying ends them.
func (o *Operator) NewRecovery(ctx context.Context, shares, threshold int) (texts []string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("make recovery shares: %w", err)
		}
	}()
	if o.store == nil {
		return nil, refuse(invalidState, errors.New("this installation keeps no recovery shares"))
	}
	if o.Status().Mode == Shamir {
		return nil, refuse(invalidState, fmt.Errorf("mode %s has no recovery shares: its shares are what recovers", Shamir))
	}
	if _, err := o.store.Rekey(ctx); !errors.Is(err, ErrNoRekey) {
		if err == nil {
			err = refuse(invalidState, ErrRekeyExists)
		}
		return nil, err
	}
	key, id, err := o.authorize(ctx, &collection{}, "")
	if err != nil {
		return nil, err
	}
	defer clear(key)
	if err := o.barrier.CheckUnsealKey(ctx, key, id); err != nil {
		return nil, err
	}
	texts, secret, setID, err := newShares(shares, threshold)
	if err != nil {
		return nil, refuse(badRequest, err)
	}
	defer clear(secret)
	wrapping, err := recoveryKey(secret)
	if err != nil {
		return nil, err
	}
	defer wrapping.Zero()
	sealed, err := jwe.Encrypt(wrapping, jwe.Header{Encryption: sealEncryption, KeyID: setID, Extra: map[string]any{idMember: id}}, key)
	if err != nil {
		return nil, err
	}
	return texts, o.store.AddSealedKey(ctx, SealedKey{
		ID: setID, UnsealKeyID: id, Mode: Recovery, Sealer: setID, Sealed: sealed, Threshold: threshold, Shares: shares, CreatedAt: o.now(),
	})
}

// VerifyRecovery adds a recovery share. The one that completes the threshold opens the unseal key, compares it with the stored root keys,
// and ends other sets of recovery shares; verified tells so.
func (o *Operator) VerifyRecovery(ctx context.Context, text string) (progress Progress, verified bool, err error) {
	share, recovery, err := o.check(ctx, text)
	if err == nil && recovery == nil {
		share.Zero()
		err = refuse(badRequest, errors.New("it is no recovery share"))
	}
	if err != nil {
		return Progress{}, false, fmt.Errorf("verify recovery shares: %w", err)
	}
	key, progress, err := o.collectRecovery(func() error { return o.recovering.add(share, o.now()) }, recovery)
	if err != nil || key == nil {
		return progress, false, err
	}
	defer clear(key)
	if err := o.barrier.CheckUnsealKey(ctx, key, recovery.UnsealKeyID); err != nil {
		return progress, false, fmt.Errorf("verify recovery shares: %w", refuse(invalidState, err))
	}
	return progress, true, o.store.ConfirmRecovery(ctx, recovery.ID, o.now())
}

// RecoveryKeys returns the sets of recovery shares, without what they open.
func (o *Operator) RecoveryKeys(ctx context.Context) (keys []SealedKey, err error) {
	if o.store == nil {
		return nil, nil
	}
	stored, err := o.store.SealedKeys(ctx)
	for _, key := range stored {
		if key.Mode == Recovery {
			key.Sealed = ""
			keys = append(keys, key)
		}
	}
	return keys, err
}

func (o *Operator) collectRecovery(add func() error, recovery *SealedKey) (key []byte, progress Progress, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := add(); err != nil {
		return nil, o.recovering.progress(), refuse(badRequest, err)
	}
	progress = o.recovering.progress()
	if o.recovering.missing() > 0 {
		return nil, progress, nil
	}
	key, _, err = o.combine(&o.recovering, recovery)
	return key, progress, err
}

// openRecovery opens an unseal key with the secret of recovery shares.
func openRecovery(secret []byte, recovery SealedKey) ([]byte, error) {
	wrapping, err := recoveryKey(secret)
	if err != nil {
		return nil, err
	}
	defer wrapping.Zero()
	key, err := openSealed(wrapping, sealAlgorithmRecovery, recovery.Sealed, recovery.UnsealKeyID)
	if err == nil && len(key) != barrier.UnsealKeySize {
		clear(key)
		err = errors.New("it has another length")
	}
	return key, err
}

// sealAlgorithmRecovery wraps the unseal key by that of recovery shares.
const sealAlgorithmRecovery = "A256KW"

func recoveryKey(secret []byte) (*jwk.Key, error) {
	key, err := unsealKey(secret, Recovery)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	return jwk.FromMaterial(key, jwk.Attributes{Algorithm: sealAlgorithmRecovery})
}
