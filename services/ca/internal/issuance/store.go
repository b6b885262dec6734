package issuance

import (
	"context"
	"errors"
	"time"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
)

// State is that of a certificate.
type State string

// States of a certificate.
const (
	Intended State = "intended" // stored, and perhaps signed
	Issued   State = "issued"
	Revoked  State = "revoked"
)

// Channel is the way by which a certificate was asked for.
type Channel string

// Channels.
const (
	ByREST    Channel = "rest"
	ByRenewal Channel = "renewal"
	ByACME    Channel = "acme"
	ByCA      Channel = "ca"      // one of a CA
	ByService Channel = "service" // one that the service itself needs
)

// Certificate is a certificate as the inventory knows it.
type Certificate struct {
	Tenant  string
	Serial  string // hexadecimal
	CAID    string
	Profile string
	State   State
	// Subject is the distinguished name as RFC 4514 writes it, CommonName its common name in lower case.
	Subject, CommonName string
	SAN                 certificate.SAN
	NotBefore, NotAfter time.Time
	SPKISHA256          []byte
	// DER is the certificate, or the TBSCertificate while it is intended.
	DER       []byte
	Shard     int
	Requester string
	Channel   Channel
	// Lineage is the serial number of the first of those that replaced each other, Replaces the one before; empty for none.
	Lineage, Replaces string
	// RevokedAt is zero for one that is not revoked, Reason a CRLReason (RFC 5280 section 5.3.1).
	RevokedAt time.Time
	Reason    int
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Errors of a store.
var (
	// ErrNotFound: the tenant has no such row.
	ErrNotFound = errors.New("not found")
	// ErrSerialTaken: there is a certificate with the serial number.
	ErrSerialTaken = errors.New("serial number taken")
	// ErrStale: the row is no longer as the caller saw it; nothing was changed.
	ErrStale = errors.New("changed meanwhile")
)

// Record stores an event in the transaction of a context.
type Record func(ctx context.Context) error

// Intent is what the first commit stores.
type Intent struct {
	Certificate Certificate
	Record      Record
}

// Outcome is what the second commit stores.
type Outcome struct {
	Serial string
	DER    []byte
	At     time.Time
	// Also is part of the same transaction; nil for nothing.
	Also func(ctx context.Context) error
}

// Store is what issuance asks of a database.
type Store interface {
	// Intend stores intended certificates of one tenant with their names and events in one transaction of its own; ErrSerialTaken. All of them are
	// stored, or none.
	Intend(ctx context.Context, tenant string, intents []Intent) error
	// Complete turns intended certificates of one tenant into issued ones, in the transaction or unit of work of ctx, or in one of its own; ErrStale
	// for one that is not intended any more. All of them are, or none.
	Complete(ctx context.Context, tenant string, outcomes []Outcome) error
	// Gathers tells whether Complete may be called for several requests at once in this context: not within a unit of work.
	Gathers(ctx context.Context) bool
	// Certificate reads one with its names; ErrNotFound.
	Certificate(ctx context.Context, tenant, serial string) (Certificate, error)
	// Certificates reads up to limit certificates without names, in order of creation, from after the place given.
	Certificates(ctx context.Context, tenant string, list List) ([]Certificate, error)
	// Blocked tells whether a public key is blocked, and why.
	Blocked(ctx context.Context, tenant string, spkiSHA256 []byte) (reason string, blocked bool, err error)
}

// List is a filter of certificates, and where a page begins. Empty members do not filter.
type List struct {
	Name       string // a subject alternative name or common name, exactly, or for *.example.org everything below a domain
	CAID       string
	Profile    string
	State      State
	Requester  string
	SPKISHA256 []byte
	Lineage    string
	// ExpiresAfter and ExpiresBefore enclose the end of validity; zero for no bound.
	ExpiresAfter, ExpiresBefore time.Time
	After                       Place
	Limit                       int
}

// Place is where a certificate stands in the order of creation.
type Place struct {
	CreatedAt time.Time
	Serial    string
}

// Event is something that was done with a certificate.
type Event struct {
	Tenant  string
	Action  string
	Serial  string
	CAID    string
	Profile string
}

// Actions of events.
const (
	ActionIssue = "certificate.issue"
	ActionFail  = "certificate.fail"
)

// ObjectCertificate is the kind of object that a certificate is in the audit trail, ObjectProfile the one that a profile is in grants.
const (
	ObjectCertificate = "certificate"
	ObjectProfile     = "profile"
)

// Events prepares what is recorded.
type Events interface {
	// Prepare completes an event by what is known of the request that ctx belongs to. What it returns stores the event in a transaction, which may
	// be shared with other requests.
	Prepare(ctx context.Context, event Event) (Record, error)
	// Recorded is told, once the transaction is durable, that the request of ctx has its event.
	Recorded(ctx context.Context)
}
