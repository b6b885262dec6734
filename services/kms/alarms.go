package kms

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/service"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

const (
	// alarmInterval is how often one row is told of at most: somebody may use its key a thousand times a second.
	alarmInterval = time.Minute
	// maxAlarms bounds what waits for the audit trail, and maxTold the rows that are remembered.
	maxAlarms, maxTold = 256, 4096
)

// alarms tell of rows that somebody else has changed: in the log at once, in the audit trail by a task of their own, since whoever notices is
// within a transaction that fails.
type alarms struct {
	log   *slog.Logger
	now   func() time.Time
	queue chan keyring.IntegrityError

	mu   sync.Mutex
	told map[keyring.IntegrityError]time.Time // guarded by mu
}

func newAlarms(log *slog.Logger, now func() time.Time) *alarms {
	return &alarms{log: log, now: now, queue: make(chan keyring.IntegrityError, maxAlarms), told: map[keyring.IntegrityError]time.Time{}}
}

// raise takes note of a row.
func (a *alarms) raise(e keyring.IntegrityError) {
	if !a.news(e) {
		return
	}
	a.log.Error("a row was changed in the database by somebody else; nothing is done with it", "tenant", e.Tenant, "key", e.ElasticKeyID, "row", e.What())
	select {
	case a.queue <- e:
	default: // the log has it
	}
}

// news tells whether the row was not told of lately.
func (a *alarms) news(e keyring.IntegrityError) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	if at, known := a.told[e]; known && now.Sub(at) < alarmInterval {
		return false
	}
	if len(a.told) >= maxTold {
		clear(a.told)
	}
	a.told[e] = now
	return true
}

// run records what was noticed, until ctx ends.
func (a *alarms) run(ctx context.Context, p *service.Platform) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-a.queue:
			object := audit.Object{Kind: objectKey, ID: e.ElasticKeyID, Version: e.Version}
			err := p.DB.InTx(database.WithTenant(ctx, e.Tenant), func(ctx context.Context) error {
				return p.RecordOwn(ctx, e.Tenant, keyring.ActionIntegrity, object, audit.Text("detail", e.What()))
			})
			if err != nil {
				a.log.Warn("a row that somebody else has changed stands in the log alone", "error", err.Error())
			}
		}
	}
}
