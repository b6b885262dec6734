package tlsconfig

import (
	"context"
	"crypto/tls"
	"crypto/x509"
)

// StatusChecker says whether certificates are revoked. It is asked in every handshake and for every request, from many goroutines at once,
// so it answers from memory where it can.
type StatusChecker interface {
	// Check returns nil when no certificate of the chain is known to be revoked. The chain is verified: leaf first, root last. An error has
	// the code unauthenticated when one is revoked, and dependency_unavailable when that could not be found out and the checker is strict.
	Check(ctx context.Context, chain []*x509.Certificate) error
}

// StapleTaker is a StatusChecker that can use the OCSP response which a server sends in the handshake (RFC 8446 section 4.4.2.1).
type StapleTaker interface {
	// TakeStaple keeps the response if it is good evidence about the chain's leaf, and otherwise forgets it.
	TakeStaple(chain []*x509.Certificate, response []byte)
}

// Source obtains certificates elsewhere, such as from a CA service.
type Source interface {
	// Obtain returns a certificate with its chain, key and parsed leaf, for the names. current is the one that it renews, nil at first. The
	// caller bounds the time by ctx, checks what it gets as a client would, and asks again later after an error.
	Obtain(ctx context.Context, names []string, current *tls.Certificate) (*tls.Certificate, error)
}
