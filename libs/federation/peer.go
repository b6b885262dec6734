package federation

import (
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// States of a peer.
const (
	StateSearching = "searching" // not found yet, or lost
	StateUp        = "up"
	StateDown      = "down" // looked for in vain as often as the configuration says; still looked for
)

// Peer is another service. It is safe for concurrent use.
type Peer struct {
	name, url, product string
	config             PeerConfig
	log                *slog.Logger
	now                func() time.Time
	changed            func(name string, up bool)

	breaker    *breaker
	credential credential
	transport  *http.Transport
	plain      *http.Client
	retrying   *retryablehttp.Client
	measures   *measures
	nudge      chan struct{} // wakes the search when a call has failed

	mu     sync.Mutex
	status Status // guarded by mu
}

// Status says how a peer is.
type Status struct {
	Name string `json:"name"`
	URL  string `json:"url"`
	// State is searching, up or down; Breaker is closed, open or half_open.
	State   string `json:"state"`
	Breaker string `json:"breaker"`
	// Required tells that the service is not ready without it.
	Required bool `json:"required"`
	// Failures are those in a row of the search; Since is when the state began.
	Failures int       `json:"failures,omitempty"`
	Since    time.Time `json:"since"`
	// LastError is what went wrong last, also when it is over, and LastErrorAt when.
	LastError   string    `json:"last_error,omitempty"`
	LastErrorAt time.Time `json:"last_error_at,omitzero"`
	// LastSeen is when it last answered as it should.
	LastSeen time.Time `json:"last_seen,omitzero"`
}

// Name is what the configuration calls the peer: identity, identity_idp, jose, kms or ca.
func (p *Peer) Name() string { return p.name }

// URL is the peer's base URL, without a slash at its end.
func (p *Peer) URL() string { return p.url }

// Timeout bounds one call.
func (p *Peer) Timeout() time.Duration { return p.config.Timeout }

// Up tells whether the peer was there when it was last looked at.
func (p *Peer) Up() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status.State == StateUp
}

// Status says how the peer is.
func (p *Peer) Status() Status {
	p.mu.Lock()
	status := p.status
	p.mu.Unlock()
	status.Breaker = p.breaker.current()
	return status
}

// Probe is nil when the peer is up and takes calls, and otherwise says what is wrong, for readiness and health.
func (p *Peer) Probe() error {
	switch s := p.Status(); {
	case s.State != StateUp && s.LastError != "":
		return errors.New(s.State + ": " + s.LastError)
	case s.State != StateUp:
		return errors.New(s.State)
	case s.Breaker != BreakerClosed:
		return errors.New("up, but its circuit breaker is " + s.Breaker + ": " + s.LastError)
	default:
		return nil
	}
}

// ended takes note of an attempt.
func (p *Peer) ended(o outcome, answer *http.Response, err error) {
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch o {
	case succeeded:
		p.status.LastSeen = now
	case failed:
		p.status.LastErrorAt = now
		if err != nil {
			p.status.LastError = err.Error()
		} else {
			p.status.LastError = "answered " + answer.Status
		}
		select {
		case p.nudge <- struct{}{}:
		default:
		}
	case givenUp:
	}
}

// found and lost take note of a search.
func (p *Peer) found() {
	p.mu.Lock()
	before := p.status.State
	p.status.Failures = 0
	p.status.LastSeen = p.now()
	p.enter(StateUp)
	p.mu.Unlock()
	if before != StateUp {
		p.log.Info("peer found", "peer", p.name, "url", p.url)
		p.changed(p.name, true)
	}
}

func (p *Peer) lost(err error) (failures int) {
	p.mu.Lock()
	before := p.status.State
	p.status.Failures++
	failures = p.status.Failures
	p.status.LastError, p.status.LastErrorAt = err.Error(), p.now()
	switch {
	case before == StateUp && failures < lostAfter:
	case failures > p.config.Retry.MaxRetries:
		p.enter(StateDown)
	case before != StateDown:
		p.enter(StateSearching)
	}
	after := p.status.State
	p.mu.Unlock()
	if before != after {
		p.log.Warn("peer lost", "peer", p.name, "url", p.url, "state", after, "error", err)
	}
	if before == StateUp && after != StateUp {
		p.changed(p.name, false)
	}
	return failures
}

// enter changes the state. p.mu is held.
func (p *Peer) enter(state string) {
	if p.status.State != state {
		p.status.State, p.status.Since = state, p.now()
	}
}
