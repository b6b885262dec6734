package federation

import (
	"fmt"
	"time"
)

// UnavailableError is a peer that cannot be called now. Its code is dependency_unavailable.
type UnavailableError struct {
	// Peer is its name.
	Peer string
	// After is when it is worth another attempt; 0 when nobody knows.
	After time.Duration
	// Err is why.
	Err error
}

func (e *UnavailableError) Error() string { return fmt.Sprintf("call %s: %v", e.Peer, e.Err) }

// Unwrap returns the reason.
func (e *UnavailableError) Unwrap() error { return e.Err }

// ErrorCode is the platform's code for it.
func (e *UnavailableError) ErrorCode() string { return "dependency_unavailable" }

// ErrorDetail is what a caller may read: not why.
func (e *UnavailableError) ErrorDetail() string { return "the peer " + e.Peer + " does not answer" }

// RetryAfter is when it is worth another attempt.
func (e *UnavailableError) RetryAfter() time.Duration { return e.After }
