package accesstoken

import (
	"errors"
	"log/slog"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/federation"
)

// Deps are what [Open] cannot take from the federation; see [Config].
type Deps struct {
	Product    string
	AdminScope func(scope string) bool
	Origins    []string
	Replays    Replays
	Nonces     Nonces
	Epochs     Epochs
	Log        *slog.Logger
	Now        func() time.Time
}

// Configured tells whether access tokens are taken: a federation with Identity that names issuers.
func Configured(c federation.Config) bool {
	return c.Enabled && c.Identity.AuthzURL != "" && len(c.Identity.Issuers) > 0
}

// Open makes the Verifier of a service whose federation has Identity.
func Open(f *federation.Federation, c federation.IdentityConfig, deps Deps) (*Verifier, error) {
	return nil, errors.New("open access tokens: Identity is no peer")
}
