// Package unseal opens a [barrier.Barrier] at start-up or with the shares of several
// people. Its main type is [Operator].
package unseal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secretshare"
)

// Mode says where the unseal key comes from.
type Mode string

// The modes.
const (
	// Derive takes it from a secret of SecretSize bytes that the configuration names.
	Derive Mode = "derive"
	// Shamir takes it from a threshold of shares that people submit.
	Shamir Mode = "shamir"
	// Dev is Derive with a secret that [LoadOrCreateSecret] keeps beside the data, which
	// protects nothing.
	Dev Mode = "dev"
)

// Config describes an operator.
type Config struct {
	Barrier *barrier.Barrier
	Mode    Mode
	// Secret has SecretSize bytes in the modes Derive and Dev, and is absent in Shamir.
	// The operator keeps its own copy.
	Secret []byte
}

// Operator unseals and seals one barrier. It is safe for concurrent use.
type Operator struct {
	barrier *barrier.Barrier
	mode    Mode
	secret  []byte

	mu        sync.Mutex
	collected []secretshare.Share // guarded by mu; they fit each other
	reason    string              // guarded by mu
}

// Status describes how far an operator is.
type Status struct {
	Sealed bool
	Mode   Mode
	// Threshold, Submitted and SetID describe the shares collected so far; zero before the first one.
	Threshold int
	Submitted int
	SetID     string
	// Reason says why the barrier is sealed and what to do; empty when it is not.
	Reason string
}

// New makes an operator for a sealed barrier.
func New(config Config) (*Operator, error) {
	if config.Barrier == nil {
		return nil, errors.New("unseal: a barrier is required")
	}
	switch config.Mode {
	case Derive, Dev:
		if len(config.Secret) != SecretSize {
			return nil, fmt.Errorf("unseal: mode %s needs a secret of %d bytes, it has %d", config.Mode, SecretSize, len(config.Secret))
		}
	case Shamir:
		if len(config.Secret) != 0 {
			return nil, fmt.Errorf("unseal: mode %s takes no secret: shares are submitted", config.Mode)
		}
	default:
		return nil, fmt.Errorf("unseal: unknown mode %q: want %s, %s or %s", config.Mode, Derive, Shamir, Dev)
	}
	o := &Operator{barrier: config.Barrier, mode: config.Mode, secret: slices.Clone(config.Secret), reason: "not unsealed yet"}
	if config.Mode == Shamir {
		o.reason = "waiting for unseal shares"
	}
	return o, nil
}

// Start unseals at once in the modes Derive and Dev; it may be called again, after
// a failure or after Seal. In the mode Shamir it leaves the barrier sealed.
func (o *Operator) Start(ctx context.Context) error {
	if o.mode == Shamir {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.unseal(ctx, o.secret, deriveKeyID(o.secret))
}

// SubmitShare adds a share in the mode Shamir, and unseals when there are as many as
// the set's threshold. A share that is damaged, altered, present already or of
// another set than the stored root key was made with is refused at once, by name,
// and those collected stay. If unsealing fails, all are forgotten. While the barrier
// is unsealed a good share changes nothing. Errors that the submitter caused have an
// ErrorCode.
func (o *Operator) SubmitShare(ctx context.Context, text string) (Status, error) {
	share, err := o.check(ctx, text)
	if err != nil {
		return o.Status(), err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.barrier.Sealed() {
		share.Zero()
		return o.status(), nil
	}
	if err := share.Fits(o.collected); err != nil {
		share.Zero()
		return o.status(), refuse(badRequest, err)
	}
	o.collected = append(o.collected, share)
	if len(o.collected) < share.Threshold() {
		o.reason = fmt.Sprintf("waiting for %d more unseal shares of set %s", share.Threshold()-len(o.collected), share.SetID())
		return o.status(), nil
	}
	err = o.combine(ctx)
	return o.status(), err
}

// Rehearse checks a share as [Operator.SubmitShare] does, without keeping it.
func (o *Operator) Rehearse(ctx context.Context, text string) error {
	share, err := o.check(ctx, text)
	share.Zero()
	return err
}

// Seal seals the barrier and forgets the shares collected so far. Calling it while
// the barrier is sealed starts collecting anew, after shares of a wrong set.
func (o *Operator) Seal(context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.barrier.Seal()
	o.forget()
	o.reason = "sealed by an operator"
	return nil
}

// Status tells how far the operator is.
func (o *Operator) Status() Status {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.status()
}

func (o *Operator) status() Status {
	s := Status{Sealed: o.barrier.Sealed(), Mode: o.mode, Submitted: len(o.collected)}
	if s.Sealed {
		s.Reason = o.reason
	}
	if len(o.collected) > 0 {
		s.Threshold, s.SetID = o.collected[0].Threshold(), o.collected[0].SetID()
	}
	return s
}

// check reads a share and compares it with the set that the stored root key names.
func (o *Operator) check(ctx context.Context, text string) (secretshare.Share, error) {
	if o.mode != Shamir {
		return secretshare.Share{}, refuse(invalidState, fmt.Errorf("unseal shares are for mode %s, this is mode %s", Shamir, o.mode))
	}
	share, err := secretshare.ParseShare(text)
	if err != nil {
		return secretshare.Share{}, refuse(badRequest, err)
	}
	stored, err := o.barrier.UnsealKeyID(ctx)
	if err != nil {
		return secretshare.Share{}, fmt.Errorf("submit share: %w", err)
	}
	if stored != "" && stored != shamirKeyID(share) {
		err := &secretshare.ShareError{Index: share.Index(), SetID: share.SetID(), Err: fmt.Errorf("%w: this installation was sealed with %s", secretshare.ErrForeign, stored)}
		share.Zero()
		return secretshare.Share{}, refuse(badRequest, err)
	}
	return share, nil
}

// combine unseals with the collected shares, and forgets them.
func (o *Operator) combine(ctx context.Context) error {
	defer o.forget()
	id := shamirKeyID(o.collected[0])
	secret, err := secretshare.Combine(o.collected)
	if err != nil {
		o.reason = "the shares submitted last do not fit together; submit all of them again"
		return refuse(badRequest, err)
	}
	defer clear(secret)
	return o.unseal(ctx, secret, id)
}

func (o *Operator) unseal(ctx context.Context, secret []byte, id string) error {
	key, err := unsealKey(secret, o.mode)
	if err != nil {
		return fmt.Errorf("derive unseal key: %w", err)
	}
	defer clear(key)
	err = o.barrier.Unseal(ctx, key, id)
	switch {
	case errors.Is(err, barrier.ErrWrongUnsealKey):
		o.reason = "the unseal key tried last does not open the root key of this installation"
		return refuse(badRequest, err)
	case err != nil:
		o.reason = "the last unsealing failed; the log has the cause"
		return err
	}
	o.reason = ""
	return nil
}

// String tells the mode and hides the secret.
func (o *Operator) String() string { return "unseal operator in mode " + string(o.mode) }

// GoString is String, so that %#v reveals nothing.
func (o *Operator) GoString() string { return o.String() }

// LogValue is String.
func (o *Operator) LogValue() slog.Value { return slog.StringValue(o.String()) }

func (o *Operator) forget() {
	for _, share := range o.collected {
		share.Zero()
	}
	o.collected = nil
}
