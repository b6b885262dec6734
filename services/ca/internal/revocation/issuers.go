package revocation

import (
	"context"
	"crypto"
	"crypto/x509"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/hierarchy"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/location"
)

// Issuer is a CA as far as it tells of its certificates.
type Issuer struct {
	Tenant, ID string
	Family     hierarchy.Family
	// Manual CAs sign lists by explicit command alone, and no OCSP response: roots.
	Manual bool
	// Signs tells whether the CA's key can sign here: it is neither offline nor destroyed.
	Signs bool
	// Delegates tells whether the CA certifies responders of its own.
	Delegates bool
	// BaseURL is what the URLs in certificates begin with; empty for none.
	BaseURL string
	// Shards is how many parts the CA's list has.
	Shards int
	// Certificate is the CA's primary one.
	Certificate *x509.Certificate
	// Algorithm is what the CA signs with.
	Algorithm x509.SignatureAlgorithm
}

// at is where the CA's objects are.
func (i *Issuer) at() location.Base { return location.Of(i.BaseURL, i.Tenant, i.ID) }

// Issuers knows the CAs.
type Issuers interface {
	// Issuer finds one that has a certificate by its id; ErrNotFound. It may be a second old.
	Issuer(ctx context.Context, tenant, id string) (*Issuer, error)
	// IDs are up to limit ids of CAs in order, from after the one given.
	IDs(ctx context.Context, tenant, after string, limit int) ([]string, error)
	// Signer opens the key of a CA until release is called.
	Signer(ctx context.Context, tenant, id string) (key crypto.Signer, release func(), err error)
}

// Certifier issues certificates for delegated responders.
type Certifier interface {
	// CertifyResponder issues a certificate for OCSP signing (RFC 6960 section 4.2.2.2) by a CA, in DER.
	CertifyResponder(ctx context.Context, tenant, ca string, public crypto.PublicKey) ([]byte, error)
}
