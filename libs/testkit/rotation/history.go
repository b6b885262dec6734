package rotation

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// history is what the key sets and the tokens have shown so far.
type history struct {
	mu      sync.Mutex
	keys    map[string]*key // guarded by mu; by kid
	order   []string        // guarded by mu; kids as they were announced
	newest  int             // guarded by mu; the place of the newest that a token was signed with
	tokens  []token         // guarded by mu; only ever longer
	oldest  int             // guarded by mu; the place of the first token that lives
	more    chan struct{}   // guarded by mu; closed when there are more tokens
	notice  []time.Duration // guarded by mu; how long before its first signature each key was in every set
	removed int             // guarded by mu; keys that have left a set

	replicas int
}

// key is what is known of one.
type key struct {
	place   int         // in the order of succession; -1 until it is announced
	shown   []time.Time // by replica, when an answer first had it; zero: not yet
	gone    []time.Time // by replica, when a request was made whose answer had it no longer; zero: it is there, or was never
	signed  []bool      // by replica
	expires time.Time   // of the token that lives longest
}

func newHistory(replicas int) *history {
	return &history{keys: map[string]*key{}, more: make(chan struct{}), replicas: replicas}
}

// key is the entry of a kid. h.mu is held.
func (h *history) key(kid string) *key {
	k := h.keys[kid]
	if k == nil {
		k = &key{place: -1, shown: make([]time.Time, h.replicas), gone: make([]time.Time, h.replicas), signed: make([]bool, h.replicas)}
		h.keys[kid] = k
	}
	return k
}

// announce puts a key behind those before it.
func (h *history) announce(kid string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.key(kid).place = len(h.order)
	h.order = append(h.order, kid)
}

// latest is the place of the newest key that a token was signed with.
func (h *history) latest() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.newest
}

// add notes a token that a replica was asked for at a time at which the newest key that had signed had the place before. lifetime is that of a
// set. It refuses a signature by a key that must not sign yet, or no more.
func (h *history) add(replica int, one token, asked time.Time, before int, lifetime time.Duration) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	k := h.key(one.kid)
	if k.place < 0 {
		return fmt.Errorf("replica %d signs with %s before whoever rotated has heard of it", replica, one.kid)
	}
	if k.place < before {
		return fmt.Errorf("replica %d signs with %s after %s has taken over", replica, one.kid, h.order[before])
	}
	if k.place > h.newest {
		notice, err := k.notice(asked)
		if err == nil && notice < lifetime {
			err = fmt.Errorf("only %s, and not %s, after the last replica has shown it", notice, lifetime)
		}
		if err != nil {
			return fmt.Errorf("replica %d signs with %s: %w", replica, one.kid, err)
		}
		h.newest = k.place
		h.notice = append(h.notice, notice)
	}
	for n, gone := range k.gone {
		if !gone.IsZero() {
			return fmt.Errorf("replica %d signs with %s, which has left the set of replica %d", replica, one.kid, n)
		}
	}
	k.signed[replica] = true
	if one.expires.After(k.expires) {
		k.expires = one.expires
	}
	h.tokens = append(h.tokens, one)
	close(h.more)
	h.more = make(chan struct{})
	return nil
}

// notice is how long before a time the last of the replicas has shown the key.
func (k *key) notice(at time.Time) (time.Duration, error) {
	var last time.Time
	for n, shown := range k.shown {
		if shown.IsZero() {
			return 0, fmt.Errorf("replica %d has not shown it", n)
		}
		if shown.After(last) {
			last = shown
		}
	}
	return at.Sub(last), nil
}

// look notes what the set of a replica holds, by an answer to a request of the time asked. It refuses a set without a key whose tokens live.
func (h *history) look(replica int, asked time.Time, holds func(kid string) bool, kids []string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	for _, kid := range kids {
		if k := h.key(kid); k.shown[replica].IsZero() {
			k.shown[replica] = now
		}
	}
	for kid, k := range h.keys {
		if k.shown[replica].IsZero() || holds(kid) || !k.gone[replica].IsZero() {
			continue
		}
		if asked.Before(k.expires) {
			return fmt.Errorf("%s has left the set of replica %d, and a token that it signed lives for another %s", kid, replica, k.expires.Sub(asked))
		}
		k.gone[replica] = asked
		h.removed++
	}
	return nil
}

// after are the tokens from a place on, and a channel that is closed when there are more.
func (h *history) after(place int) ([]token, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tokens[place:], h.more
}

// alive is a token of those up to a place that has not expired, the oldest one as often as a random one; none where there is none.
func (h *history) alive(upTo int, now time.Time) []token {
	h.mu.Lock()
	defer h.mu.Unlock()
	// They expire in the order in which they were signed, but for what was under way at once.
	for h.oldest < upTo && !now.Before(h.tokens[h.oldest].expires) {
		h.oldest++
	}
	if h.oldest >= upTo {
		return nil
	}
	place := h.oldest
	if rand.IntN(2) == 0 { //nolint:gosec // which token is tried is no secret
		place += rand.IntN(upTo - h.oldest) //nolint:gosec // the same
	}
	return h.tokens[place : place+1 : place+1]
}

// signsEverywhere tells whether a key has signed on every replica.
func (h *history) signsEverywhere(kid string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, signed := range h.key(kid).signed {
		if !signed {
			return false
		}
	}
	return true
}

// outlived tells whether the tokens of every key but the newest have expired.
func (h *history) outlived(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, kid := range h.order[:len(h.order)-1] {
		if now.Before(h.keys[kid].expires) {
			return false
		}
	}
	return true
}
