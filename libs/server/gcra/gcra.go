// Package gcra limits rates in process by the generic cell rate algorithm (ITU-T I.371), which keeps one time per key: the one at which
// the key would be back to a full burst. Its main type is [Limiter]. It protects capacity; each replica counts for itself.
package gcra

import (
	"hash/maphash"
	"sync"
	"time"
)

// shards spread the keys, so that goroutines seldom meet.
const shards = 64

// sample is how many keys are looked at to make room for another one.
const sample = 8

// Rate is Limit requests per Per, of which Burst may come at once. The zero Rate limits nothing.
type Rate struct {
	Limit int
	Per   time.Duration
	Burst int
}

// Unlimited tells whether the rate limits nothing.
func (r Rate) Unlimited() bool { return r.Limit <= 0 || r.Per <= 0 }

// interval is the time that one request takes up.
func (r Rate) interval() time.Duration { return max(r.Per/time.Duration(r.Limit), 1) }

// Verdict is the answer to one request.
type Verdict struct {
	Allowed   bool
	Remaining int
	// ResetAfter is when the full burst is there again; RetryAfter is when the same cost would be allowed, zero when it was.
	ResetAfter, RetryAfter time.Duration
}

// Limiter keeps the state of at most as many keys as it was made for. It is safe for concurrent use.
type Limiter[K comparable] struct {
	seed   maphash.Seed
	shards [shards]shard[K]
	most   int
}

type shard[K comparable] struct {
	mu   sync.Mutex
	full map[K]int64 // when the key has its full burst again, in nanoseconds of the caller's clock
	_    [40]byte    // no two shards on one cache line
}

// New returns a Limiter for about so many keys. When there are more, those that matter least are forgotten: one of a few that are looked at,
// which is nearest to its full burst.
func New[K comparable](capacity int) *Limiter[K] {
	l := &Limiter[K]{seed: maphash.MakeSeed(), most: max(capacity/shards, sample)}
	for i := range l.shards {
		l.shards[i].full = map[K]int64{}
	}

	return l
}

// Take takes cost out of what the key has at this time, if there is enough of it. A cost that is larger than the burst is never allowed.
func (l *Limiter[K]) Take(key K, rate Rate, cost int, now time.Time) Verdict {
	if rate.Unlimited() {
		return Verdict{Allowed: true}
	}
	interval := int64(rate.interval())
	burst := int64(max(rate.Burst, 1))
	window := interval * burst
	at := now.UnixNano()

	s := &l.shards[maphash.Comparable(l.seed, key)%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	full, known := s.full[key]
	if full < at {
		full = at
	}
	next := full + interval*int64(cost)
	if next > at+window {
		return Verdict{
			Remaining: int((at + window - full) / interval), ResetAfter: time.Duration(full - at), RetryAfter: time.Duration(next - at - window),
		}
	}
	if !known && len(s.full) >= l.most {
		s.makeRoom(at)
	}
	s.full[key] = next

	return Verdict{Allowed: true, Remaining: int((at + window - next) / interval), ResetAfter: time.Duration(next - at)}
}

// makeRoom forgets those of a few keys that have their full burst, or the one that will have it first. Iteration begins anywhere.
func (s *shard[K]) makeRoom(now int64) {
	var victim K
	first, looked, freed := int64(0), 0, false
	for key, full := range s.full {
		if full <= now {
			delete(s.full, key)
			freed = true
		} else if looked == 0 || full < first {
			victim, first = key, full
		}
		if looked++; looked == sample {
			break
		}
	}
	if !freed {
		delete(s.full, victim)
	}
}

// Len is the number of keys that are remembered.
func (l *Limiter[K]) Len() int {
	n := 0
	for i := range l.shards {
		l.shards[i].mu.Lock()
		n += len(l.shards[i].full)
		l.shards[i].mu.Unlock()
	}

	return n
}
