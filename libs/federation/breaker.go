package federation

import (
	"sync"
	"time"
)

// Numbers of the circuit breaker.
const (
	breakAfter = 5                // failures in a row that open it
	breakFor   = 60 * time.Second // how long it stays open
	probes     = 3                // calls that are let through then, and must all succeed to close it
)

// States of a breaker.
const (
	BreakerClosed   = "closed"
	BreakerOpen     = "open"
	BreakerHalfOpen = "half_open"
)

// breaker fails calls fast to a peer that keeps failing.
type breaker struct {
	now func() time.Time

	mu        sync.Mutex
	state     string
	failures  int       // in a row, while closed
	openUntil time.Time // while open
	admitted  int       // while half open: probes let through
	succeeded int       // while half open: probes that succeeded
	round     int       // counts changes of state, so that an answer to an older state's call changes nothing
}

func newBreaker(now func() time.Time) *breaker {
	return &breaker{now: now, state: BreakerClosed}
}

// allow asks for leave to call. Without it, wait is how long the breaker stays open, or 0 when probes are under way.
func (b *breaker) allow() (round int, wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == BreakerOpen {
		if wait := b.openUntil.Sub(b.now()); wait > 0 {
			return 0, wait, false
		}
		b.enter(BreakerHalfOpen)
	}
	if b.state == BreakerHalfOpen {
		if b.admitted >= probes {
			return 0, 0, false
		}
		b.admitted++
	}
	return b.round, 0, true
}

// settle says how a call ended that allow admitted in round. One that was given up by its caller says nothing about the peer.
func (b *breaker) settle(round int, outcome outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if round != b.round {
		return
	}
	switch {
	case outcome == givenUp:
		if b.state == BreakerHalfOpen {
			b.admitted--
		}
	case outcome == succeeded && b.state == BreakerHalfOpen:
		b.succeeded++
		if b.succeeded >= probes {
			b.enter(BreakerClosed)
		}
	case outcome == succeeded:
		b.failures = 0
	case b.state == BreakerHalfOpen:
		b.open()
	default:
		b.failures++
		if b.failures >= breakAfter {
			b.open()
		}
	}
}

func (b *breaker) open() {
	b.openUntil = b.now().Add(breakFor)
	b.enter(BreakerOpen)
}

func (b *breaker) enter(state string) {
	b.state, b.failures, b.admitted, b.succeeded = state, 0, 0, 0
	b.round++
}

// current is the state; an open breaker whose time is over is half open.
func (b *breaker) current() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == BreakerOpen && !b.now().Before(b.openUntil) {
		return BreakerHalfOpen
	}
	return b.state
}

// outcome is how a call ended, as far as the peer is concerned.
type outcome int

const (
	succeeded outcome = iota
	failed
	givenUp // by the caller
)
