package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

// closeAttempts is how often CloseChain meets the sequencer before it gives up.
const closeAttempts = 10

// CloseChain is for a tenant that is about to be removed: it numbers what is pending, signs the chain, and puts its last number and hash into
// the system chain, against which an export that was kept can still be verified. It may be called again.
func (l *Log) CloseChain(ctx context.Context, tenant string) error {
	if err := l.Prepare(ctx); err != nil {
		return fmt.Errorf("close audit chain: %w", err)
	}
	ctx, err := l.cfg.DB.Independent(database.WithTenant(ctx, database.AllTenants))
	if err != nil {
		return fmt.Errorf("close audit chain: %w", err)
	}
	for range closeAttempts {
		err = l.closeOnce(ctx, tenant)
		if !errors.Is(err, errConflict) && !database.IsUniqueViolation(err) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("close audit chain: %w", err)
	}
	l.chains.forget(tenant)
	return nil
}

// closeOnce needs no lease: where the sequencer does the same at the same time, one of them changes nothing.
func (l *Log) closeOnce(ctx context.Context, tenant string) error {
	for more := true; more; {
		var work *numbering
		err := l.keys.use(ctx, func(k *openKeys) error {
			return l.cfg.DB.InTx(ctx, func(ctx context.Context) error {
				work = l.numbering(k)
				rows, err := l.pending(ctx, "tenant_id = $1 ORDER BY id LIMIT $2", tenant, sequenceBatch)
				if err != nil {
					return err
				}
				more = len(rows) == sequenceBatch
				if err := work.number(ctx, rows); err != nil {
					return err
				}
				if !more {
					if err := work.close(ctx, tenant); err != nil {
						return err
					}
				}
				if err := work.write(ctx); err != nil {
					return err
				}
				return l.removePending(ctx, rows)
			})
		})
		if err != nil {
			return err
		}
		work.committed()
	}
	return nil
}

func (n *numbering) close(ctx context.Context, tenant string) error {
	h, err := n.head(ctx, tenant)
	if err != nil || h.seq == 0 {
		n.drop(tenant)
		return err
	}
	if err := n.sign(h); err != nil {
		return err
	}
	return n.own(ctx, Event{
		Tenant: System, Action: "audit.chain_closed", Object: Object{Kind: "tenant", ID: tenant},
		Fields: []Field{Number("seq", h.seq), Text("hash", h.hash.String())},
	})
}

// drop forgets a chain that has no events, so that no row is written for it.
func (n *numbering) drop(tenant string) {
	delete(n.heads, tenant)
	n.tenants = slices.DeleteFunc(n.tenants, func(other string) bool { return other == tenant })
}
