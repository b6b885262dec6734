package guarded

import (
	"errors"
	"fmt"
	"net/netip"
)

// Errors of requests that break a rule; each is found with [errors.Is] in what a request returns.
var (
	// ErrBlocked is in every error about a URL or an address that may not be fetched.
	ErrBlocked = errors.New("refused by the guard for outgoing requests")
	// ErrTooLarge is in the error of a request, or of reading its body, that exceeds Config.MaxBody.
	ErrTooLarge = errors.New("the answer is too large")
	// ErrRedirects is in the error of a request that was redirected more often than Config.MaxRedirects.
	ErrRedirects = errors.New("redirected too often")
)

// AddressError says which address of which host was refused, and why. It holds [ErrBlocked].
type AddressError struct {
	Host    string
	Address netip.Addr
	Reason  string // "private", "loopback", "cloud metadata" ...
}

// Error names host, address and reason.
func (e *AddressError) Error() string {
	return fmt.Sprintf("%s has the address %s (%s), which is %v", e.Host, e.Address, e.Reason, ErrBlocked)
}

// Unwrap returns ErrBlocked.
func (e *AddressError) Unwrap() error { return ErrBlocked }
