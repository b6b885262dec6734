package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/auditchain"
	"github.com/cryptoutil/cryptoutil/libs/database"
)

const (
	// removeBatch is how many events one statement of retention removes.
	removeBatch = 1000
	// keepSources is how long it is remembered which journals and batches were taken over.
	keepSources = 400 * 24 * time.Hour
)

// retain removes events that are older than the retention, up to a checkpoint, so that the rest still verifies. What is to go is only noted
// at first, and removed when the next pass finds the same: a clock that is wrong for a while removes nothing.
func (l *Log) retain(ctx context.Context, fence func(context.Context) error) error {
	ctx = database.WithTenant(ctx, database.AllTenants)
	old := database.Micros(l.cfg.Now().Add(-l.cfg.Retention))
	tenants, err := l.strings(ctx, "SELECT DISTINCT tenant_id FROM audit_checkpoints WHERE at < $1", old)
	if err != nil {
		return fmt.Errorf("look for old audit events: %w", err)
	}
	noted := map[string]int64{}
	for _, tenant := range tenants {
		through, err := l.oldCheckpoint(ctx, tenant, old)
		if err != nil {
			return err
		}
		noted[tenant] = through
		if through = min(through, l.toCut[tenant]); through > 0 {
			if err := l.cut(ctx, fence, tenant, through); err != nil {
				return fmt.Errorf("cut audit chain: %w", err)
			}
		}
		if err := l.removeCut(ctx, tenant); err != nil {
			return fmt.Errorf("remove old audit events: %w", err)
		}
	}
	l.toCut = noted
	_, err = l.cfg.DB.Exec(ctx, "DELETE FROM audit_sources WHERE updated_at < $1", database.Micros(l.cfg.Now().Add(-keepSources)))
	return err
}

// oldCheckpoint is the number of the newest genuine checkpoint signed before a time, 0 for none.
func (l *Log) oldCheckpoint(ctx context.Context, tenant string, before int64) (int64, error) {
	var seq int64
	var jws string
	err := l.cfg.DB.QueryRow(ctx, "SELECT seq, jws FROM audit_checkpoints WHERE tenant_id = $1 AND at < $2 ORDER BY seq DESC LIMIT 1", tenant, before).
		Scan(&seq, &jws)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read audit checkpoints: %w", err)
	}
	var c auditchain.Checkpoint
	err = l.keys.use(ctx, func(k *openKeys) (err error) {
		if c, err = auditchain.OpenCheckpoint(jws, k.publics); err != nil || c.Chain != tenant || c.Seq != seq || database.Micros(c.Time) >= before {
			l.cfg.Log.Error("audit checkpoint is not genuine: nothing is removed", "chain", tenant, "seq", seq)
			c, err = auditchain.Checkpoint{}, nil
		}
		return err
	})
	return c.Seq, err
}

// cut notes in the chain that the events up to a number go, in an event of its own and in a new checkpoint.
func (l *Log) cut(ctx context.Context, fence func(context.Context) error, tenant string, through int64) error {
	var work *numbering
	err := l.keys.use(ctx, func(k *openKeys) error {
		return l.cfg.DB.InTx(ctx, func(ctx context.Context) error {
			work = l.numbering(k)
			if err := fence(ctx); err != nil {
				return err
			}
			h, err := work.head(ctx, tenant)
			if err != nil || h.cut >= through || h.seq < through {
				return err
			}
			first := h.cut + 1
			h.cut = through
			err = work.own(ctx, Event{Tenant: tenant, Action: "audit.cut", Fields: []Field{Number("first", first), Number("last", through)}})
			if err != nil {
				return err
			}
			if err := work.sign(h); err != nil {
				return err
			}
			return work.write(ctx)
		})
	})
	if err == nil {
		work.committed()
	}
	return err
}

// removeCut removes what a chain says is cut. The checkpoint at the cut stays: what is left begins with it.
func (l *Log) removeCut(ctx context.Context, tenant string) error {
	var h head
	var authentic bool
	err := l.keys.use(ctx, func(k *openKeys) (err error) {
		h, authentic, err = l.readHead(ctx, k, tenant)
		return err
	})
	if err != nil || !authentic || h.cut == 0 {
		return err
	}
	for {
		result, err := l.cfg.DB.Exec(ctx, `DELETE FROM audit_events WHERE tenant_id = $1 AND seq <= $2
			AND seq < (SELECT min(seq) FROM audit_events WHERE tenant_id = $1) + $3`, tenant, h.cut, removeBatch)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			_, removeErr := l.cfg.DB.Exec(ctx, "DELETE FROM audit_checkpoints WHERE tenant_id = $1 AND seq < $2", tenant, h.cut)
			return errors.Join(err, removeErr)
		}
	}
}
