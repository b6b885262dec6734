package kms

import (
	"time"

	"github.com/cryptoutil/cryptoutil/libs/service"
)

// Timed is the KMS by other clocks than the machine's.
func Timed(wall func() time.Time, elapsed func() time.Duration) service.Service[Config] {
	return timed(clocks{wall: wall, elapsed: elapsed})
}
