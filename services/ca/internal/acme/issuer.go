package acme

import (
	"context"
	"time"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

// Issuer makes and revokes certificates. Errors that the client may see are of type [*Error]; others are tried again, and then hidden.
type Issuer interface {
	// Permits says whether an order could be fulfilled, before anything is proved.
	Permits(ctx context.Context, application Application) error
	// Issue makes the certificate of an order. It calls stored in the transaction that stores the signed certificate, so that an order never has two: where
	// stored fails, the certificate counts as not issued, and its error is that of Issue.
	Issue(ctx context.Context, issuance Issuance, stored func(ctx context.Context, serial string) error) error
	// Chains are the certificate's chains, the default one first; ErrNotFound.
	Chains(ctx context.Context, tenant, serial string) ([]Chain, error)
	// Certificate finds a certificate by its serial number, in lower-case hexadecimal of even length; ErrNotFound.
	Certificate(ctx context.Context, tenant, serial string) (Certificate, error)
	// Revoke revokes in the transaction of ctx. One that is revoked already is an Error of type AlreadyRevoked.
	Revoke(ctx context.Context, tenant, serial string, reason int) error
}

// Application is what an order asks for.
type Application struct {
	Tenant, Directory, Profile string
	Account                    string
	Names                      []validation.Identifier
	// NotBefore and NotAfter are what the client wishes; zero times leave it to the profile.
	NotBefore, NotAfter time.Time
}

// Issuance is an order whose names are all proved.
type Issuance struct {
	Application

	// Order is its id.
	Order string
	// CSR is the DER of a request (PKCS#10) that has been parsed, whose signature is right and whose names are Names.
	CSR []byte
	// Replaces is the serial number of the certificate that this one takes the place of; "" for none.
	Replaces string
	// Remotes is how many remote perspectives there were when the least watched of the names was proved.
	Remotes int
}

// Chain is a certificate in DER with those that certify it, without the root or with it as the authority decides.
type Chain [][]byte

// Certificate is what there is to know about one.
type Certificate struct {
	DER                 []byte
	AuthorityKeyID      []byte
	NotBefore, NotAfter time.Time
	Revoked             bool
}
