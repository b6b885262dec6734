// Package rotation watches a service that issues tokens while its signing key is rotated under load.
//
// Issuers have tokens signed on every replica without a pause. Verifiers elsewhere keep the public key set for as long as the service says that
// they may (RFC 9111 section 4.2), ask whether it has changed (section 4.3), and never look sooner, whatever they miss. A watcher of each replica notes
// when a key comes into its set and when it leaves. All that they see is held to what a verifier must be able to rely on:
//
//   - every token verifies, at once and for as long as it lives;
//   - a key that succeeds another is in the set of every replica for the lifetime of a set before it signs;
//   - once a key has signed, those before it sign no more, on no replica;
//   - a key stays in the set until the last token that it signed has expired.
//
// Its main function is Run.
package rotation

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Replica is one of those that serve.
type Replica struct {
	// Client asks for the key set.
	Client *http.Client
	// KeySet is the URL of the public key set.
	KeySet string
	// Issue has the replica sign a token, a JWT with `kid` and `exp`.
	Issue func(ctx context.Context) (token string, err error)
	// Verify has the replica verify a token.
	Verify func(ctx context.Context, token string) error
}

// Config is who works, and for how long.
type Config struct {
	Replicas  []Replica
	Issuers   int           // for each replica
	Verifiers int           // for each replica, which they fetch the set from
	Pace      time.Duration // between two tokens of an issuer
	Rotations int
	// Rotate asks for the next version of the key and returns its `kid`. It is called again once every replica signs with that.
	Rotate func(ctx context.Context, number int) (kid string, err error)
	// Patience is the longest that anything waits: for a version to take over, for the last tokens to expire.
	Patience time.Duration
}

// Run rotates so often and returns what was measured. The first breach of the rules ends it, and is its error. After the last rotation it goes
// on until what the key before the last has signed has expired.
func Run(ctx context.Context, cfg Config) (Figures, error) {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	r := &run{cfg: cfg, history: newHistory(len(cfg.Replicas)), tally: &tally{}}
	begun := time.Now()
	if err := r.begin(ctx); err != nil {
		return Figures{}, err
	}
	var workers sync.WaitGroup
	work := func(do func(ctx context.Context) error) {
		workers.Go(func() {
			if err := do(ctx); err != nil && ctx.Err() == nil {
				fail(err)
			}
		})
	}
	for n := range cfg.Replicas {
		work(func(ctx context.Context) error { return r.watch(ctx, n) })
		for range cfg.Issuers {
			work(func(ctx context.Context) error { return r.issue(ctx, n) })
		}
		for i := range cfg.Verifiers {
			work(func(ctx context.Context) error { return r.verify(ctx, n, i) })
		}
	}
	err := r.rotate(ctx)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	fail(nil) // it is over
	workers.Wait()
	return r.figures(time.Since(begun)), err
}

// run is one call of Run.
type run struct {
	cfg     Config
	history *history
	tally   *tally
}

// tick is how often a watcher looks at a key set.
const tick = 50 * time.Millisecond

// begin waits until every replica shows the key that all of them sign with: what came before the first rotation is not what is watched.
func (r *run) begin(ctx context.Context) error {
	first, err := r.cfg.Replicas[0].Issue(ctx)
	if err != nil {
		return fmt.Errorf("issue the first token: %w", err)
	}
	token, err := parse(first)
	if err != nil {
		return err
	}
	r.history.announce(token.kid)
	for n := range r.cfg.Replicas {
		k := &keeper{from: r.cfg.Replicas[n], tally: &tally{}}
		err := r.until(ctx, fmt.Sprintf("replica %d signs with %s and shows it", n, token.kid), func() bool {
			text, err := k.from.Issue(ctx)
			if err != nil {
				return false
			}
			its, err := parse(text)
			return err == nil && its.kid == token.kid && k.fetch(ctx) == nil && k.has(its.kid)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// rotate has the versions succeed each other.
func (r *run) rotate(ctx context.Context) error {
	for number := range r.cfg.Rotations {
		kid, err := r.cfg.Rotate(ctx, number)
		if err != nil {
			return fmt.Errorf("rotation %d: %w", number+1, err)
		}
		r.history.announce(kid)
		if err := r.until(ctx, "every replica signs with "+kid, func() bool { return r.history.signsEverywhere(kid) }); err != nil {
			return err
		}
		r.tally.count(&r.tally.rotations)
	}
	return r.until(ctx, "the tokens of the key before have expired", func() bool { return r.history.outlived(time.Now()) })
}

// until waits until it is so.
func (r *run) until(ctx context.Context, what string, so func() bool) error {
	late := time.NewTimer(r.cfg.Patience)
	defer late.Stop()
	again := time.NewTicker(tick)
	defer again.Stop()
	for !so() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-late.C:
			return fmt.Errorf("not within %s: %s", r.cfg.Patience, what)
		case <-again.C:
		}
	}
	return nil
}
