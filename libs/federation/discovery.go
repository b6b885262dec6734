package federation

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// WellKnown is the path at which every service says what it is (RFC 8615), to anybody.
const WellKnown = "/.well-known/cryptoutil"

// APIVersion is the version of the services' APIs that this program speaks.
const APIVersion = "v1"

// Announcement is the answer at WellKnown.
type Announcement struct {
	// Product is kms, jose, ca, identity-authz, identity-idp or another service's.
	Product string `json:"product"`
	// APIs are the versions that it serves; a newer service still serves the one before.
	APIs []string `json:"apis"`
	// Installation is the identity of the installation, a UUID that all replicas share, and UnsealedBy the others that must be unsealed before it can be, by which a cycle is found.
	Installation string   `json:"installation,omitempty"`
	UnsealedBy   []string `json:"unsealed_by,omitempty"`
}

const (
	// lookInterval is how often a peer that is up is looked at.
	lookInterval = 10 * time.Second
	// lostAfter is how many looks in a row must fail before a peer that was up counts as gone.
	lostAfter = 2
	// maxAnnouncement bounds the answer at WellKnown, in bytes.
	maxAnnouncement = 16 << 10
)

// search looks for the peer until ctx ends.
func (p *Peer) search(ctx context.Context) {
	for {
		pause := lookInterval
		if err := p.look(ctx); err == nil {
			p.found()
		} else if ctx.Err() == nil {
			pause = p.config.Retry.pause(p.lost(err))
			p.transport.CloseIdleConnections() // the next look resolves its name again
		}
		timer := time.NewTimer(jitter(pause))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-p.nudged():
			timer.Stop()
		}
	}
}

// nudged is for a peer that is up: a call that failed is a reason to look at once. The search for one that is lost keeps its schedule.
func (p *Peer) nudged() <-chan struct{} {
	if p.Up() {
		return p.nudge
	}
	return nil
}

// pause is how long to wait after a number of failures in a row.
func (c RetryConfig) pause(failures int) time.Duration {
	pause := c.InitialBackoff
	for range min(failures-1, c.MaxRetries) {
		if pause >= c.MaxBackoff/2 {
			return c.MaxBackoff
		}
		pause *= 2
	}
	if failures > c.MaxRetries {
		return c.MaxBackoff
	}
	return pause
}

// jitter takes up to a fifth away, so that replicas do not look all at once.
func jitter(pause time.Duration) time.Duration { return pause - below(pause/5) }

// below is a random duration from 0 to below limit.
func below(limit time.Duration) time.Duration {
	var random [8]byte
	_, _ = rand.Read(random[:]) // crypto/rand ends the process instead of failing
	// A 53-bit fraction is exact in a float64.
	const bits = 53
	fraction := float64(binary.NativeEndian.Uint64(random[:])>>(64-bits)) / (1 << bits)
	return time.Duration(fraction * float64(limit))
}

// look asks the peer what it is.
func (p *Peer) look(ctx context.Context) error {
	said, err := p.Announcement(ctx)
	switch {
	case err != nil:
		return err
	case said.Product != p.product:
		return fmt.Errorf("it is %q, not %q", said.Product, p.product)
	case !slices.Contains(said.APIs, APIVersion):
		return fmt.Errorf("it serves %v, and not %s", said.APIs, APIVersion)
	default:
		return nil
	}
}

// Announcement asks the peer what it is, past the breaker: it is how a breaker's peer is found to be back, and costs the peer next to
// nothing.
func (p *Peer) Announcement(ctx context.Context) (said Announcement, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, p.config.Timeout, fmt.Errorf("no answer within %s", p.config.Timeout))
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+WellKnown, nil)
	if err != nil {
		return said, err
	}
	r.Header.Set("Accept", "application/json")
	answer, err := p.transport.RoundTrip(r)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return said, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnnouncement+1))
	switch {
	case err != nil:
		return said, fmt.Errorf("read its announcement: %w", err)
	case answer.StatusCode != http.StatusOK:
		return said, fmt.Errorf("answered %d at %s", answer.StatusCode, WellKnown)
	case len(text) > maxAnnouncement:
		return said, errors.New("its announcement is too large")
	}
	if err := json.Unmarshal(text, &said); err != nil {
		return said, fmt.Errorf("its announcement is no JSON: %w", err)
	}
	return said, nil
}
