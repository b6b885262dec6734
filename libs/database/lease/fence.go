package lease

import (
	"context"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

// Fence fails with [ErrLost] unless the leases that ctx runs under (Hold, Every) are still this holder's, and keeps them from being taken over
// until the transaction of ctx ends. Call it first in the transaction, and keep that shorter than the ttl: it holds up the
// renewal too. It is refused outside a transaction, and outside of Hold and Every.
func (l *Leases) Fence(ctx context.Context) error {
	if _, err := l.db.Independent(ctx); !errors.Is(err, database.ErrInTransaction) {
		return errors.New("fence lease: not in a transaction")
	}
	g := grantOf(ctx)
	if g == nil {
		return errors.New("fence lease: not under a lease")
	}
	for ; g != nil; g = g.outer {
		if g.db != l.db {
			return fmt.Errorf("fence lease %q: it is in another database", g.name)
		}
		// Writing the row, though it stays as it is, locks it on PostgreSQL; SQLite has one writer anyway.
		held, err := l.touch(ctx, `UPDATE leases SET token = token WHERE name = $1 AND token = $2`, g.name, g.token)
		if err != nil {
			return fmt.Errorf("fence lease %q: %w", g.name, err)
		}
		if !held {
			return fmt.Errorf("fence lease %q: %w", g.name, ErrLost)
		}
	}
	return nil
}
