package jose

import (
	"time"

	"github.com/cryptoutil/cryptoutil/libs/service"
)

// Timed is the JWK Authority by another clock than the machine's.
func Timed(now func() time.Time) service.Service[Config] { return timed(now) }
