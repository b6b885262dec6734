package hierarchy

import (
	"context"
	"errors"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/naming"
)

// Errors of a store.
var (
	// ErrNotFound: the tenant has no such row.
	ErrNotFound = errors.New("not found")
	// ErrNameTaken: another CA of the tenant has the name, or the key.
	ErrNameTaken = errors.New("name taken")
	// ErrStale: the row is no longer as the caller saw it; nothing was changed.
	ErrStale = errors.New("changed meanwhile")
)

// Store is what the hierarchy asks of a database. Every change is heard by other replicas.
type Store interface {
	// InTx runs fn in one transaction that travels in the context: all of it is stored, or nothing.
	InTx(ctx context.Context, fn func(context.Context) error) error
	// InsertCA stores a new CA; ErrNameTaken.
	InsertCA(ctx context.Context, ca CA) error
	// CA reads one by UUID or name; ErrNotFound.
	CA(ctx context.Context, tenant string, ref naming.Ref) (CA, error)
	// Fact is a CA with its certificates for whoever uses it: what another replica has changed may show a second later.
	Fact(ctx context.Context, tenant string, ref naming.Ref) (Fact, error)
	// ByKeyID reads the CA with the key; ErrNotFound.
	ByKeyID(ctx context.Context, tenant string, keyID []byte) (CA, error)
	// CAs reads up to limit CAs in order of id, from after the id given.
	CAs(ctx context.Context, tenant string, list List) ([]CA, error)
	// Issuing reads the active CAs of kind Issuing. What another replica has changed may show a second later.
	Issuing(ctx context.Context, tenant string) ([]CA, error)
	// UpdateCA stores what an update may change if the row still has the revision of ca; ErrStale otherwise. It returns the CA as it is now.
	UpdateCA(ctx context.Context, ca CA) (CA, error)
	// MoveCA changes the state, and the parent, if the row is in one of the transition's; ErrStale otherwise. It returns the CA as it is now.
	MoveCA(ctx context.Context, ca CA, t Transition, now time.Time) (CA, error)
	// AddCertificate stores a certificate of a CA. A primary one takes the place of the one before.
	AddCertificate(ctx context.Context, c Certificate) error
	// CertificatesOf are all of a CA, the primary one first, then the newest.
	CertificatesOf(ctx context.Context, tenant, id string) ([]Certificate, error)
	// Unexpired tells whether a certificate that the CA has signed is valid after now.
	Unexpired(ctx context.Context, tenant, id string, now time.Time) (bool, error)
}

// Fact is a CA with its certificates, the primary one first.
type Fact struct {
	CA           CA
	Certificates []Certificate
}

// List is a filter of CAs, and where a page begins.
type List struct {
	Name   string
	Kind   Kind
	Status Status
	Parent string
	After  string
	Limit  int
}

// Events records what is done, in the transaction of the change.
type Events interface {
	// Record stores an event; an error must undo the change.
	Record(ctx context.Context, event Event) error
}

// Event is something that was done to a CA.
type Event struct {
	Tenant string
	Action string
	CAID   string
	// Detail says what else matters: the algorithm of a new key, the serial number of a certificate.
	Detail string
}

// Actions of events.
const (
	ActionCreate  = "ca.create"
	ActionImport  = "ca.import"
	ActionUpdate  = "ca.update"
	ActionInstall = "ca.certificate.install"
	ActionSucceed = "ca.succeed"
)

// ObjectCA is the kind of object that a CA is in grants and in the audit trail.
const ObjectCA = "ca"
