package accesstoken

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

const (
	// DefaultProofs is how many proofs a minute are remembered, in about 24 bytes each, for up to two minutes.
	DefaultProofs = 1 << 18
	// keyShare is the part of them that one key may have: what one client does leaves room for the others.
	keyShare = 8
)

// ProofID stands for one proof of one key.
type ProofID [16]byte

// Replays remembers DPoP proofs that were used (RFC 9449 section 11.1).
type Replays interface {
	// First remembers the proof of a key, which is named by its thumbprint, until a time, and tells whether it was new. Errors have a code.
	First(ctx context.Context, thumbprint string, id ProofID, until time.Time) (bool, error)
}

// replays remembers proofs in this process. A proof stays for at least as long as it could be used again. When there are too many, new ones are
// refused: to forget old ones would let them in again.
type replays struct {
	most int
	now  func() time.Time

	mu          sync.Mutex
	young, aged generation // guarded by mu
	turned      time.Time  // guarded by mu: when the young ones became the aged ones
}

// generation is the proofs of one minute.
type generation struct {
	proofs map[ProofID]struct{}
	byKey  map[string]int // how many of each key
}

func newGeneration() generation {
	return generation{proofs: map[ProofID]struct{}{}, byKey: map[string]int{}}
}

// NewReplays makes a memory of this process for so many proofs a minute (0 for DefaultProofs). Of one key it takes an eighth of them. A proof for
// which there is no room is refused with the code overloaded, or rate_limited if its key has used up its share.
func NewReplays(most int, now func() time.Time) Replays {
	if most <= 0 {
		most = DefaultProofs
	}
	return &replays{most: most, now: now, young: newGeneration(), aged: newGeneration(), turned: now()}
}

var (
	errNoRoom  = errors.New("no more DPoP proofs can be remembered")
	errNoShare = errors.New("one key has made too many DPoP proofs")
)

// First implements Replays.
func (r *replays) First(_ context.Context, thumbprint string, id ProofID, _ time.Time) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn()
	if _, used := r.young.proofs[id]; used {
		return false, nil
	}
	if _, used := r.aged.proofs[id]; used {
		return false, nil
	}
	switch {
	case len(r.young.proofs) >= r.most:
		return false, problem.New(problem.Overloaded, "too many DPoP proofs; wait a minute").Because(errNoRoom).After(proofSpan)
	case r.young.byKey[thumbprint] >= max(1, r.most/keyShare):
		return false, problem.New(problem.RateLimited, "too many DPoP proofs by one key; wait a minute").Because(errNoShare).After(proofSpan)
	}
	r.young.proofs[id] = struct{}{}
	r.young.byKey[thumbprint]++
	return true, nil
}

// turn begins a new generation once the young one has had its time. mu is held.
func (r *replays) turn() {
	now := r.now()
	age := now.Sub(r.turned)
	if age < proofSpan {
		return
	}
	r.aged = r.young
	if age >= 2*proofSpan { // all are too old by now
		r.aged = newGeneration()
	}
	r.young, r.turned = newGeneration(), now
}
