package keyring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

const (
	// slowBits is from which modulus on an RSA key is not waited for unless the caller wants that: seconds of a processor on average, and now
	// and then many.
	slowBits = 3072
	// maxAwaited bounds the keys that one process generates after it was asked. The sweep finds the others.
	maxAwaited = 256
	// generationPatience is after how long a key that is still to be generated is nobody's: whoever was asked for it has ended, or has more to do
	// than it can.
	generationPatience = 30 * time.Second
	// commitPatience is how long a key that was asked for may take to be seen: the request that asks is committed after it was handled.
	commitPatience, commitPoll = 10 * time.Second, 20 * time.Millisecond
)

// slow tells whether a version takes long to generate.
func slow(spec alg.Spec) bool { return spec.KeyType == alg.KeyTypeRSA && spec.KeySize >= slowBits }

// generationError is a failure of the generator.
type generationError struct{ error }

// Unwrap is for errors.Is and errors.As.
func (e *generationError) Unwrap() error { return e.error }

// failed tells a generator that cannot from one that has no time, or is not waited for any more.
func failed(err error) bool {
	var generation *generationError
	if !errors.As(err, &generation) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var coded problem.Coded
	return !errors.As(err, &coded) || coded.ErrorCode() != problem.Overloaded
}

// awaited is a key that somebody has just asked for.
type awaited struct {
	tenant, id string
	since      time.Time
}

// await has this process generate the key's first version as soon as its row is there.
func (k *Keyring) await(key ElasticKey) {
	if key.Status != ElasticPendingGenerate {
		return
	}
	select {
	case k.awaited <- awaited{key.Tenant, key.ID, time.Now()}:
	default: // the sweep finds it
	}
}

// GenerateAwaited makes the first versions of keys that this process is asked for, one after the other, until ctx ends. A key that it does not
// come to is left to GenerateDue.
func (k *Keyring) GenerateAwaited(ctx context.Context) {
	var unseen []awaited
	for {
		var poll <-chan time.Time
		if len(unseen) > 0 {
			poll = time.After(commitPoll)
		}
		select {
		case <-ctx.Done():
			return
		case next := <-k.awaited:
			unseen = append(unseen, next)
		case <-poll:
		}
		var still []awaited
		for _, next := range unseen {
			err := k.generatePending(ctx, next.tenant, next.id, k.store.InTx)
			switch {
			case (errors.Is(err, ErrNotFound) || errors.Is(err, errFailedBefore)) && time.Since(next.since) < commitPatience:
				still = append(still, next)
			case err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrStale) && ctx.Err() == nil:
				k.log.Warn("a key could not be generated now; it is tried again", "tenant", next.tenant, "key", next.id, "error", err.Error())
			}
		}
		unseen = still
	}
}

// GenerateDue makes, for every tenant, the first versions of keys that have waited for them too long: the process that was asked has ended. It is
// work for one replica at a time; while the barrier is sealed it does nothing.
func (k *Keyring) GenerateDue(ctx context.Context, tenants Tenants) error {
	if k.barrier.Sealed() {
		return nil
	}
	return k.eachTenant(ctx, tenants, func(ctx context.Context, tenant string) error {
		return k.perform(ctx, tenant, duty{DueGeneration, k.instant().Add(-generationPatience), func(ctx context.Context, tenant string, due Due, _ time.Time) error {
			return k.generatePending(ctx, tenant, due.ElasticKeyID, k.guarded)
		}})
	})
}

// errFailedBefore is ErrStale of a key whose generation has failed, and is perhaps about to be tried again.
var errFailedBefore = fmt.Errorf("its generation has failed: %w", ErrStale)

// generatePending makes the first version of a key that is to be generated. ErrStale: it is not (any more).
func (k *Keyring) generatePending(
	ctx context.Context, tenant, id string, within func(context.Context, func(context.Context) error) error,
) error {
	key, err := k.store.ElasticKey(ctx, tenant, Ref(id))
	if err != nil {
		return err
	}
	if key.Status == ElasticGenerateFailed {
		return errFailedBefore
	}
	if t := elasticNotGenerated(); !t.Allows(key.Status) {
		return ErrStale
	}
	d, err := k.newDraft(ctx, key)
	if failed(err) {
		k.log.Error("a key could not be generated; a caller can have it tried again", "tenant", tenant, "key", id, "error", err.Error())
		_, err = k.moveKey(ctx, key, elasticNotGenerated(), time.Time{})
		return err
	}
	if err != nil {
		return err
	}
	defer d.material.Zero()
	key.UpdatedAt, key.NextRotationAt = k.instant(), key.Rotation.next(k.steady.Latest())
	return within(ctx, func(ctx context.Context) error {
		number, err := k.store.AddVersion(ctx, key, 0)
		if err != nil {
			return err
		}
		if _, err := d.store(ctx, k.store, key, number); err != nil {
			return err
		}
		t := elasticGenerated()
		made, err := k.store.MoveElasticKey(ctx, tenant, id, t, time.Time{}, k.instant())
		if err != nil {
			return err
		}
		return k.record(ctx, Event{Action: "key." + t.Action, Key: made, Version: number})
	})
}

// RetryGeneration has a key whose generation has failed generated once more.
func (k *Keyring) RetryGeneration(ctx context.Context, caller Caller, ref Ref) (ElasticKey, error) {
	key, err := k.move(ctx, caller, OpRotate, ref, elasticGenerate(), time.Time{})
	if err == nil {
		k.await(key)
	}
	return key, err
}
