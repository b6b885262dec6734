package session

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// mode remembers since when logins are federated, in microseconds; 0 before it was looked up.
type mode struct{ since atomic.Int64 }

// federated decides about a session of one of the service's own realms after the move to an identity provider. A person's is refused, but
// for the grace period after the move, when it has no administrative rights; a program's is treated so if it began before. admin tells
// whether it keeps its administrative rights.
func (m *Manager) federated(ctx context.Context, r *record, now time.Time) (admin bool, err error) {
	if !m.cfg.Federated || !slices.Contains(m.deps.LocalRealms, r.realm) {
		return true, nil
	}
	since, err := m.federatedSince(ctx)
	switch {
	case err != nil:
		return false, err
	case !r.createdAt.Before(since) && r.kind != server.KindUser:
		return true, nil
	case !r.createdAt.Before(since), m.cfg.GracePeriod == 0, !now.Before(since.Add(m.cfg.GracePeriod)):
		return false, errMoved
	}
	return false, nil
}

// federatedSince is when the first replica was asked in federated mode.
func (m *Manager) federatedSince(ctx context.Context) (time.Time, error) {
	if since := m.mode.since.Load(); since != 0 {
		return database.Time(since), nil
	}
	_, err := m.deps.DB.Exec(ctx, `INSERT INTO session_modes (name, since) VALUES ('federated', $1) ON CONFLICT (name) DO NOTHING`, database.Micros(m.deps.Now()))
	var since int64
	if err == nil {
		err = m.deps.DB.QueryRow(ctx, `SELECT since FROM session_modes WHERE name = 'federated'`).Scan(&since)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("since when logins are federated: %w", err)
	}
	m.mode.since.Store(since)
	return database.Time(since), nil
}

// enterMode writes down, at start, whether logins are federated: a service that goes back forgets that they were.
func (m *Manager) enterMode(ctx context.Context) error {
	if m.cfg.Federated {
		_, err := m.federatedSince(ctx)
		return err
	}
	if _, err := m.deps.DB.Exec(ctx, `DELETE FROM session_modes WHERE name = 'federated'`); err != nil {
		return fmt.Errorf("forget that logins were federated: %w", err)
	}
	return nil
}
