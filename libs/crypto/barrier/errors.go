package barrier

import (
	"errors"
	"fmt"
)

var (
	// ErrSealed is returned by everything that needs keys while the barrier is
	// sealed. Its ErrorCode is "sealed".
	ErrSealed error = sealedError{}
	// ErrWrongUnsealKey means that the root key is not wrapped by the given key, or is damaged.
	ErrWrongUnsealKey = errors.New("wrong unseal key: it does not open the stored root key")
	// ErrMoved is a value that was wrapped for another place or with other attributes.
	ErrMoved = errors.New("it was moved, or a column bound to it was changed")
	// ErrUnreadable is a value that is damaged, or whose content key is missing.
	ErrUnreadable = errors.New("it is damaged, or its content key is missing")
	// ErrLost means that the store does not have the key any more that this process
	// wraps under: it was restored from a backup, or rows were deleted. The process can
	// still open what the key wrapped.
	ErrLost = errors.New("the store has lost it: restore its row before the process ends, or start anew without what it wrapped")
	// ErrParentGone is returned by a Store for a key whose parent it does not have any more.
	ErrParentGone = errors.New("the key above it has been retired")
	// ErrBehind means that another replica made a root key, and its succession expired before this one read it.
	ErrBehind = errors.New("another replica has made a root key that this one cannot open: seal and unseal it, or start it anew")
	// ErrInUse means that there are values and no root key, which must have been lost.
	ErrInUse = errors.New("the root key is gone while values that it protects are there: restore the table barrier_keys from a backup")
	// ErrRekeying is refused while a change of the unseal key is under way, or has just happened. Its ErrorCode is "invalid_state".
	ErrRekeying error = stateError{"the unseal key is being changed: commit or cancel the rekeying, then repeat this"}
	// errUnknownParent is a stored key whose parent is not in memory.
	errUnknownParent = errors.New("it is wrapped by a key that is not in memory")
)

// stateError is an error of the operator, who may read it.
type stateError struct{ text string }

func (e stateError) Error() string       { return e.text }
func (stateError) ErrorCode() string     { return "invalid_state" }
func (e stateError) ErrorDetail() string { return e.text }

type sealedError struct{}

func (sealedError) Error() string     { return "the barrier is sealed" }
func (sealedError) ErrorCode() string { return "sealed" }

// ValueError names the value, or the key, that cannot be opened. Unwrap gives
// ErrMoved or ErrUnreadable.
type ValueError struct {
	Binding Binding
	Err     error
}

func (e *ValueError) Error() string {
	text := fmt.Sprintf("open value (%s): %v", e.Binding, e.Err)
	if names := e.Binding.attributeNames(); names != "" && errors.Is(e.Err, ErrMoved) {
		text += " (" + names + ")"
	}
	return text
}

func (e *ValueError) Unwrap() error { return e.Err }
