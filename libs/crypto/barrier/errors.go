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
)

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
