package revocation

import (
	"context"
	"errors"
	"time"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/crl"
)

// Errors of a store.
var (
	// ErrNotFound: the tenant has no such row.
	ErrNotFound = errors.New("not found")
	// ErrStale: the row is no longer as the caller saw it; nothing was changed.
	ErrStale = errors.New("changed meanwhile")
)

// Store is what revocation asks of a database.
type Store interface {
	CertificateStore
	ListStore
	ResponderStore
}

// CertificateStore keeps the states of certificates.
type CertificateStore interface {
	// InTx runs fn in one transaction that travels in the context: all of it is stored, or nothing.
	InTx(ctx context.Context, fn func(context.Context) error) error
	// Status reads a certificate; ErrNotFound.
	Status(ctx context.Context, tenant, serial string) (Certificate, error)
	// Revoke stores a revocation as c has it, of a certificate that is as before has it: ErrStale otherwise. Every replica hears of it.
	Revoke(ctx context.Context, before, c Certificate) error
	// Release takes back the suspension of a certificate, as c has it; ErrStale if it is not suspended. Every replica hears of it.
	Release(ctx context.Context, c Certificate, at time.Time) error
	// Selected reads up to limit serial numbers of certificates that are not revoked, in order, from after the one given.
	Selected(ctx context.Context, tenant string, s Selection, after string, limit int) ([]string, error)
	// Abandoned reads up to limit serial numbers of certificates that are intended since before a time.
	Abandoned(ctx context.Context, tenant string, before time.Time, limit int) ([]string, error)
	// BlockKey has no certificate issued for a public key any more.
	BlockKey(ctx context.Context, tenant string, spkiSHA256 []byte, why string, at time.Time) error
}

// ListStore keeps lists, in parts, and what is to stand in them.
type ListStore interface {
	// Revision is the CA's: every revocation up to it can be read.
	Revision(ctx context.Context, tenant, ca string) (int64, error)
	// NextNumber takes the next number of a CA's lists. Nobody gets it again, whatever becomes of the list.
	NextNumber(ctx context.Context, tenant, ca string) (int64, error)
	// Pending counts revocations of a shard (Complete: all) after a revision, up to limit.
	Pending(ctx context.Context, tenant, ca string, shard int, after int64, limit int) (int, error)
	// Revocations reads up to limit of a shard after a revision, in order of serial numbers, from after the one given.
	Revocations(ctx context.Context, tenant, ca string, shard int, revision int64, after []byte, limit int) ([]crl.Entry, error)
	// Prune removes the revocations of a shard (Complete: all) that are no later than a revision and whose certificates had expired before a time.
	Prune(ctx context.Context, tenant, ca string, shard int, revision int64, before time.Time) error
	// AddParts stores parts of a list that nobody reads yet, numbered from first.
	AddParts(ctx context.Context, tenant, list string, first int, bodies [][]byte) error
	// Part reads a part; ErrNotFound.
	Part(ctx context.Context, tenant, list string, part int) ([]byte, error)
	// Publish makes a list the current one in place of another (before; empty for none), in the transaction of ctx; ErrStale if that one is not current
	// any more. Every replica hears of it.
	Publish(ctx context.Context, list List, before string) error
	// Lists are the current ones of a CA and the complete ones right before them, where these are valid at a time, newest first.
	Lists(ctx context.Context, tenant, ca string, at time.Time) ([]List, error)
	// Current is the current list of a shard; ErrNotFound. What another replica has published may show a second later.
	Current(ctx context.Context, tenant, ca string, shard int, delta bool) (List, error)
	// Discard removes the parts of lists that were superseded before a time, and of these lists all that Lists does not give.
	Discard(ctx context.Context, tenant, ca string, superseded, expired time.Time) error
	// DropParts removes the parts of a list that is not published.
	DropParts(ctx context.Context, tenant, list string) error
	// DropOrphans removes the parts of lists that were begun before a time and never published.
	DropOrphans(ctx context.Context, tenant string, before time.Time) error
}

// ResponderStore keeps delegated responders.
type ResponderStore interface {
	// Delegate reads the newest responder of a CA; ErrNotFound.
	Delegate(ctx context.Context, tenant, ca string) (Delegate, error)
	// AddDelegate stores one and removes those that have expired. Every replica hears of it.
	AddDelegate(ctx context.Context, d Delegate, now time.Time) error
}
