//go:build unix

package coredump

import (
	"fmt"
	"syscall"
)

// Off sets the limit of the size of core files to 0 (setrlimit of POSIX.1), for this process and those that it starts. A process without
// privileges cannot take it back.
func Off() error {
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{Cur: 0, Max: 0}); err != nil {
		return fmt.Errorf("switch core dumps off: %w", err)
	}
	return nil
}
