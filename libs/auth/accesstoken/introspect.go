package accesstoken

import "context"

// Introspector asks the authorization server about a token (RFC 7662).
type Introspector interface {
	// Introspect returns the answer's JSON text. issuer is the token's, "" for an opaque one where there are several. An error means that
	// nobody can tell; its code is dependency_unavailable.
	Introspect(ctx context.Context, issuer, token string) ([]byte, error)
}
