// Package unseal opens a [barrier.Barrier] at start-up or with the shares of several
// people, and changes what opens it. Its main type is [Operator].
//
// The unseal key comes from shares ([Shamir]), from a secret ([Derive]), or it is stored,
// encrypted by a private JWK ([JWK]) or by another installation ([KMS]). For modes without
// shares there can be recovery shares, which open the stored unseal key when all else is lost.
//
// A rekeying changes the unseal material in steps: the old material authorizes it; the root
// keys are staged under the new unseal key, and from then on either opens the barrier; the new material is
// proven; one transaction puts it in force and ends the old one. At every moment at least one of them opens the barrier.
package unseal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
)

// Mode says where the unseal key comes from.
type Mode string

// The modes.
const (
	// Derive takes it from a secret of SecretSize bytes that the configuration names.
	Derive Mode = "derive"
	// Shamir takes it from a threshold of shares that people submit.
	Shamir Mode = "shamir"
	// JWK stores it encrypted to a private JWK that the configuration names.
	JWK Mode = "jwk"
	// KMS stores it encrypted by a key in another installation.
	KMS Mode = "kms"
	// Dev is Derive with a secret that [LoadOrCreateSecret] keeps beside the data, which
	// protects nothing.
	Dev Mode = "dev"
)

// Config describes an operator.
type Config struct {
	Barrier *barrier.Barrier
	Mode    Mode
	// Secret has SecretSize bytes in the modes Derive and Dev, and is absent in the others.
	// The operator keeps its own copy.
	Secret []byte
	// JWK is the JSON of a private key for RSA-OAEP-256, ECDH-ES+A256KW or A256KW, in the mode JWK.
	JWK []byte
	// Remote is the other installation, in the mode KMS.
	Remote Remote
	// Installation is the identity by which others know this one, with all its replicas, as a dependency (Remote). A
	// barrier that its own unsealing depends on is refused.
	Installation string
	// Store keeps sealed unseal keys and rekeyings. Without one there are only the modes Derive, Shamir and Dev, and they do not change.
	Store Store
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Log hears of what Run could not do; nil is silence.
	Log *slog.Logger
	// Unsealed is called when Run has unsealed the barrier by itself; nil for nothing.
	Unsealed func(ctx context.Context)
}

// Operator unseals and seals one barrier. It is safe for concurrent use.
type Operator struct {
	barrier      *barrier.Barrier
	store        Store
	installation string
	now          func() time.Time
	log          *slog.Logger
	unsealed     func(ctx context.Context)

	mu sync.Mutex
	// All below is guarded by mu.
	mode       Mode
	source     source // nil in the mode Shamir
	remote     Remote // nil but in the mode KMS
	reason     string
	bySomebody bool // sealed by an operator, so that nothing unseals it by itself

	unsealing, rotating, authorizing, verifying, recovering collection

	request    *RekeyRequest // waits for those who authorize it
	next       source        // the material of a rekeying that began here; nil for shares
	nextRemote Remote
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
	src, err := newSource(Material{Mode: config.Mode, Secret: config.Secret, JWK: config.JWK, Remote: config.Remote})
	if err != nil {
		return nil, err
	}
	if config.Store == nil && slices.Contains([]Mode{JWK, KMS}, config.Mode) {
		return nil, fmt.Errorf("unseal: mode %s needs a store", config.Mode)
	}
	o := &Operator{
		barrier: config.Barrier, store: config.Store, installation: config.Installation, now: config.Now, log: config.Log, unsealed: config.Unsealed,
		mode: config.Mode, source: src, remote: config.Remote, reason: "not unsealed yet",
	}
	if o.now == nil {
		o.now = time.Now
	}
	if o.log == nil {
		o.log = slog.New(slog.DiscardHandler)
	}
	if o.unsealed == nil {
		o.unsealed = func(context.Context) {}
	}
	if config.Mode == Shamir {
		o.reason = "waiting for unseal shares"
	}
	return o, nil
}

// Start unseals at once, except in the mode Shamir, where it leaves the barrier sealed; it may
// be called again, after a failure or after Seal.
func (o *Operator) Start(ctx context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.start(ctx)
}

func (o *Operator) start(ctx context.Context) error {
	if o.source == nil {
		return nil
	}
	if err := o.checkCycle(ctx, o.remote); err != nil {
		o.reason = err.Error()
		return err
	}
	key, id, err := o.obtain(ctx, o.source)
	if err != nil {
		return o.failed(err)
	}
	err = o.open(ctx, key, id)
	if errors.Is(err, barrier.ErrWrongUnsealKey) { // Another replica may have made the first root key meanwhile.
		if key, id, err = o.obtain(ctx, o.source); err != nil {
			return o.failed(err)
		}
		err = o.open(ctx, key, id)
	}
	return err
}

// SubmitShare adds an unseal share, in the mode Shamir, or a recovery share, and unseals when there
// are as many as the set's threshold. A share that is damaged, altered, present already or of
// another set than the stored root key was made with is refused at once, by name,
// and those collected stay, each for [ShareTime]. If unsealing fails, all are forgotten. While the barrier
// is unsealed a good share changes nothing. Errors that the submitter caused have an
// ErrorCode.
func (o *Operator) SubmitShare(ctx context.Context, text string) (Status, error) {
	share, opens, err := o.check(ctx, text)
	if err != nil {
		return o.Status(), err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.barrier.Sealed() {
		share.Zero()
		return o.status(), nil
	}
	if err := o.unsealing.add(share, o.now()); err != nil {
		return o.status(), refuse(badRequest, err)
	}
	if missing := o.unsealing.missing(); missing > 0 {
		o.reason = fmt.Sprintf("waiting for %d more unseal shares of set %s", missing, share.SetID())
		return o.status(), nil
	}
	key, id, err := o.combine(&o.unsealing, opens)
	if err != nil {
		o.reason = "the shares submitted last do not fit together; submit all of them again"
		return o.status(), err
	}
	err = o.open(ctx, key, id)
	return o.status(), err
}

// Rehearse checks a share as [Operator.SubmitShare] does, without keeping it.
func (o *Operator) Rehearse(ctx context.Context, text string) error {
	share, _, err := o.check(ctx, text)
	share.Zero()
	return err
}

// Seal seals the barrier and forgets the shares collected so far, for whatever purpose. Calling it while
// the barrier is sealed starts collecting anew, after shares of a wrong set.
func (o *Operator) Seal(context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.barrier.Seal()
	for _, c := range o.collections() {
		c.forget()
	}
	o.request = nil
	o.reason, o.bySomebody = "sealed by an operator", true
	return nil
}

// Status tells how far the operator is.
func (o *Operator) Status() Status {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.status()
}

func (o *Operator) status() Status {
	o.unsealing.expire(o.now())
	progress := o.unsealing.progress()
	s := Status{
		Sealed: o.barrier.Sealed(), Mode: o.mode,
		Threshold: progress.Threshold, Submitted: progress.Submitted, SetID: progress.SetID,
	}
	if s.Sealed {
		s.Reason = o.reason
	}
	return s
}

// open unseals the barrier, and clears the key.
func (o *Operator) open(ctx context.Context, key []byte, id string) error {
	defer clear(key)
	if err := o.barrier.Unseal(ctx, key, id); err != nil {
		return o.failed(err)
	}
	o.reason, o.bySomebody = "", false
	return nil
}

// failed notes why the barrier stays sealed.
func (o *Operator) failed(err error) error {
	if errors.Is(err, barrier.ErrWrongUnsealKey) {
		o.reason = "the unseal key tried last does not open the root key of this installation"
		return refuse(badRequest, err)
	}
	o.reason = "the last unsealing failed; the log has the cause"
	return err
}

func (o *Operator) collections() []*collection {
	return []*collection{&o.unsealing, &o.rotating, &o.authorizing, &o.verifying, &o.recovering}
}

// String tells the mode and hides the secret.
func (o *Operator) String() string { return "unseal operator in mode " + string(o.Status().Mode) }

// GoString is String, so that %#v reveals nothing.
func (o *Operator) GoString() string { return o.String() }

// LogValue is String.
func (o *Operator) LogValue() slog.Value { return slog.StringValue(o.String()) }
