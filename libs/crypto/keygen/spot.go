package keygen

import (
	"context"
	"time"
)

const (
	// maxCallers is how many callers may want RSA keys on the spot at the same time.
	maxCallers = 16
	// patience is how long one of them waits for its turn: what remains of a request's time
	// must suffice for the key.
	patience = 20 * time.Second
)

// ErrBusy says that more RSA keys are wanted than can be made in time. Its code is overloaded.
var ErrBusy error = busyError{}

type busyError struct{}

func (busyError) Error() string     { return "too many RSA keys are being generated" }
func (busyError) ErrorCode() string { return "overloaded" }
func (busyError) ErrorDetail() string {
	return "too many RSA keys are being generated; try again later"
}

// enter waits for the turn of a caller who makes an RSA key. After nil, leave must follow.
func (p *Pool) enter(ctx context.Context) error {
	p.mu.Lock()
	if p.callers == maxCallers {
		p.mu.Unlock()
		return ErrBusy
	}
	p.callers++
	p.mu.Unlock()

	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case p.spots <- struct{}{}:
		return nil
	case <-ctx.Done():
		p.depart()
		return ctx.Err()
	case <-timer.C:
		p.depart()
		return ErrBusy
	}
}

// leave ends a caller's turn.
func (p *Pool) leave() {
	<-p.spots
	p.depart()
}

// depart counts a caller out; after the last one the workers go on.
func (p *Pool) depart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.callers--
	if p.callers == 0 {
		p.change.Broadcast()
	}
}
