package unseal

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secretshare"
)

// RekeyRequest describes new unseal material.
type RekeyRequest struct {
	Material
	// Shares are made in the mode Shamir, of which Threshold unseal.
	Shares, Threshold int
}

// RekeyState says how far a rekeying is.
type RekeyState string

// The states, in their order.
const (
	RekeyNone RekeyState = "none"
	// RekeyAuthorizing waits for shares of the old material.
	RekeyAuthorizing RekeyState = "authorizing"
	// RekeyStaged has made the new material; either opens the barrier. It waits for proof of the new material.
	RekeyStaged RekeyState = "staged"
	// RekeyVerified can be committed.
	RekeyVerified RekeyState = "verified"
)

// RekeyStatus tells how far a rekeying is.
type RekeyStatus struct {
	State RekeyState
	// Rekey is there from RekeyStaged on.
	Rekey Rekey
	// Progress is of the shares that authorize or verify, on this replica.
	Progress Progress
	// NewShares are the new shares, in the one answer that made them. Nothing keeps them.
	NewShares []string
}

// StartRekey begins a change of the unseal material. In the mode Shamir it waits for shares then ([Operator.AuthorizeRekey]), as it does in
// the others when their own material is lost and there are recovery shares; otherwise the rekeying is staged at once.
func (o *Operator) StartRekey(ctx context.Context, request RekeyRequest) (RekeyStatus, error) {
	next, err := o.checkRequest(ctx, request)
	if err != nil {
		return RekeyStatus{}, fmt.Errorf("start rekeying: %w", err)
	}
	o.mu.Lock()
	if o.request != nil {
		o.mu.Unlock()
		return RekeyStatus{}, fmt.Errorf("start rekeying: %w", refuse(invalidState, ErrRekeyExists))
	}
	o.request, o.next, o.nextRemote = &request, next, request.Remote
	mine := o.source != nil
	o.mu.Unlock()
	if mine {
		status, err := o.AuthorizeRekey(ctx, "")
		if err == nil || !o.recoverable(ctx) {
			if err != nil {
				o.withdraw()
			}
			return status, err
		}
	}
	return o.RekeyStatus(ctx)
}

// checkRequest refuses what cannot become new unseal material.
func (o *Operator) checkRequest(ctx context.Context, request RekeyRequest) (source, error) {
	if o.store == nil {
		return nil, refuse(invalidState, errors.New("this installation keeps no rekeyings"))
	}
	if o.barrier.Sealed() {
		return nil, barrier.ErrSealed
	}
	if request.Mode == Dev {
		return nil, refuse(badRequest, fmt.Errorf("mode %s is for development: nobody changes to it", Dev))
	}
	next, err := newSource(request.Material)
	if err != nil {
		return nil, refuse(badRequest, err)
	}
	if next == nil && (request.Threshold < secretshare.MinThreshold || request.Threshold > request.Shares || request.Shares > secretshare.MaxShares) {
		return nil, refuse(badRequest, fmt.Errorf("want a threshold of %d to the number of shares, and at most %d shares", secretshare.MinThreshold, secretshare.MaxShares))
	}
	if next != nil && (request.Shares != 0 || request.Threshold != 0) {
		return nil, refuse(badRequest, fmt.Errorf("mode %s has no shares", request.Mode))
	}
	if err := o.checkCycle(ctx, request.Remote); err != nil {
		return nil, err
	}
	switch _, err := o.store.Rekey(ctx); {
	case err == nil:
		return nil, refuse(invalidState, ErrRekeyExists)
	case !errors.Is(err, ErrNoRekey):
		return nil, err
	}
	return next, nil
}

// AuthorizeRekey adds a share of the unseal material in force, or a recovery share. The one that completes the threshold stages the
// rekeying, and the answer has the new shares.
func (o *Operator) AuthorizeRekey(ctx context.Context, text string) (RekeyStatus, error) {
	o.mu.Lock()
	waiting := o.request
	o.mu.Unlock()
	if waiting == nil {
		return RekeyStatus{}, refuse(invalidState, errors.New("no rekeying waits for shares on this replica: start one"))
	}
	key, id, err := o.authorize(ctx, &o.authorizing, text)
	if err != nil {
		return RekeyStatus{}, fmt.Errorf("authorize rekeying: %w", err)
	}
	if key == nil {
		return o.RekeyStatus(ctx)
	}
	defer clear(key)
	o.mu.Lock()
	request, next := o.request, o.next
	o.request = nil
	o.mu.Unlock()
	if request == nil {
		return RekeyStatus{}, refuse(invalidState, errors.New("the rekeying was cancelled, or sealed away, meanwhile"))
	}
	shares, err := o.stage(ctx, *request, next, key, id)
	if err != nil {
		o.withdraw()
		return RekeyStatus{}, fmt.Errorf("stage rekeying: %w", err)
	}
	status, err := o.RekeyStatus(ctx)
	status.NewShares = shares
	return status, err
}

// stage makes the new unseal key and stores the root keys under it.
func (o *Operator) stage(ctx context.Context, request RekeyRequest, next source, key []byte, id string) (shares []string, err error) {
	row, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	rekey := Rekey{ID: row.String(), FromKeyID: id, Mode: request.Mode, Shares: request.Shares, Threshold: request.Threshold, StartedAt: o.now()}
	var newKey []byte
	var sealed *SealedKey
	if next != nil {
		newKey, rekey.ToKeyID, sealed, err = next.create(ctx, o.now())
	} else {
		shares, newKey, rekey.ToKeyID, err = newShamir(request.Shares, request.Threshold)
	}
	if err != nil {
		return nil, err
	}
	defer clear(newKey)
	if rekey.ToKeyID == id {
		return nil, refuse(badRequest, errors.New("the new unseal material is the old one"))
	}
	staged, err := o.barrier.Stage(ctx, key, id, newKey, rekey.ToKeyID)
	if err != nil {
		return nil, err
	}
	return shares, told(o.store.StageRekey(ctx, rekey, staged, sealed))
}

func newShamir(shares, threshold int) (texts []string, key []byte, id string, err error) {
	texts, secret, setID, err := newShares(shares, threshold)
	if err != nil {
		return nil, nil, "", err
	}
	defer clear(secret)
	key, err = unsealKey(secret, Shamir)
	return texts, key, shamirKeyID(setID), err
}

// CommitRekey puts the verified new material in force and ends the old one. From then on this replica unseals with the new material if the
// rekeying began here; others, and this one at its next start, need it in their configuration.
func (o *Operator) CommitRekey(ctx context.Context) (RekeyStatus, error) {
	rekey, err := o.rekey(ctx)
	if err != nil {
		return RekeyStatus{}, err
	}
	stored, err := o.store.SealedKeys(ctx)
	if err != nil {
		return RekeyStatus{}, fmt.Errorf("commit rekeying: %w", err)
	}
	if err := told(o.store.CommitRekey(ctx, rekey.ID)); err != nil {
		return RekeyStatus{}, err
	}
	o.mu.Lock()
	switch {
	case rekey.Mode == Shamir:
		o.mode, o.source, o.remote = Shamir, nil, nil
	case o.next != nil && o.next.owns(rekey.ToKeyID, stored):
		o.mode, o.source, o.remote = rekey.Mode, o.next, o.nextRemote
	}
	o.mu.Unlock()
	o.withdraw()
	return o.RekeyStatus(ctx)
}

// CancelRekey ends a rekeying that is not committed: the new material opens nothing any more.
func (o *Operator) CancelRekey(ctx context.Context) (RekeyStatus, error) {
	o.mu.Lock()
	waiting := o.request != nil
	o.mu.Unlock()
	rekey, err := o.rekey(ctx)
	if err == nil {
		err = told(o.store.CancelRekey(ctx, rekey.ID))
	} else if waiting && errors.Is(err, ErrNoRekey) {
		err = nil
	}
	if err != nil {
		return RekeyStatus{}, err
	}
	o.withdraw()
	return o.RekeyStatus(ctx)
}

// RekeyStatus tells how far the rekeying is.
func (o *Operator) RekeyStatus(ctx context.Context) (RekeyStatus, error) {
	status := RekeyStatus{State: RekeyNone}
	rekey, err := o.rekey(ctx)
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	o.verifying.expire(now)
	o.authorizing.expire(now)
	switch {
	case err == nil && rekey.VerifiedAt.IsZero():
		return RekeyStatus{State: RekeyStaged, Rekey: rekey, Progress: o.verifying.progress()}, nil
	case err == nil:
		return RekeyStatus{State: RekeyVerified, Rekey: rekey}, nil
	case !errors.Is(err, ErrNoRekey):
		return RekeyStatus{}, err
	case o.request != nil:
		status.State, status.Progress = RekeyAuthorizing, o.authorizing.progress()
	}
	return status, nil
}

// rekey reads the rekeying under way.
func (o *Operator) rekey(ctx context.Context) (Rekey, error) {
	if o.store == nil {
		return Rekey{}, refuse(invalidState, ErrNoRekey)
	}
	rekey, err := o.store.Rekey(ctx)
	return rekey, told(err)
}

// recoverable says whether recovery shares have been proven.
func (o *Operator) recoverable(ctx context.Context) bool {
	stored, err := o.store.SealedKeys(ctx)
	return err == nil && slices.ContainsFunc(stored, func(k SealedKey) bool { return k.Mode == Recovery && !k.VerifiedAt.IsZero() })
}

// withdraw forgets what is in memory of a rekeying.
func (o *Operator) withdraw() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.request, o.next, o.nextRemote = nil, nil, nil
	o.authorizing.forget()
	o.verifying.forget()
}

// told gives errors of the store that the operator may read their code.
func told(err error) error {
	for _, known := range []error{ErrNoRekey, ErrRekeyExists, ErrNotVerified, ErrRootsChanged} {
		if errors.Is(err, known) {
			return refuse(invalidState, err)
		}
	}
	return err
}
