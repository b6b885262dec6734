package revocation

import (
	"errors"
	"fmt"
	"time"
)

// Errors of [Checker.Check], to be found with errors.Is.
var (
	ErrRevoked      = errors.New("is revoked")
	ErrUndetermined = errors.New("has no status that could be found out")
)

// Error says which certificate is refused, and why.
type Error struct {
	Subject, Serial string
	cause           error
}

// Error is for logs.
func (e *Error) Error() string {
	return fmt.Sprintf("certificate %s of %q %v", e.Serial, e.Subject, e.cause)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// ErrorCode is unauthenticated for a revoked certificate, and dependency_unavailable when nobody said whether it is.
func (e *Error) ErrorCode() string {
	if errors.Is(e.cause, ErrRevoked) {
		return "unauthenticated"
	}
	return "dependency_unavailable"
}

// RetryAfter is when it is worth asking again; 0 for a revoked certificate.
func (e *Error) RetryAfter() time.Duration {
	if errors.Is(e.cause, ErrRevoked) {
		return 0
	}
	return retryAfter
}
