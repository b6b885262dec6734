package rewrap

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

// recordPurposes stores what values this process has wrapped or opened. Those of the last seconds before a crash can be missing; whoever
// opens such a value later notes them.
func (r *Rewrapper) recordPurposes(ctx context.Context) error {
	for _, purpose := range r.config.Barrier.Purposes() {
		if slices.Contains(r.recorded, purpose) {
			continue
		}
		if _, err := r.config.DB.Exec(ctx, "INSERT INTO barrier_purposes (purpose, run, seen_at) VALUES ($1, '', $2) ON CONFLICT (purpose) DO NOTHING",
			purpose, database.Micros(r.config.Now())); err != nil {
			return fmt.Errorf("record purposes of wrapped values: %w", err)
		}
		r.recorded = append(r.recorded, purpose)
	}
	return nil
}

// met notes, in the transaction that saves the progress, that the run has met values of these purposes.
func (r *Rewrapper) met(ctx context.Context, run string, purposes []string) error {
	for _, purpose := range purposes {
		if _, err := r.config.DB.Exec(ctx, `INSERT INTO barrier_purposes (purpose, run, seen_at) VALUES ($1, $2, $3)
			ON CONFLICT (purpose) DO UPDATE SET run = excluded.run`, purpose, run, database.Micros(r.config.Now())); err != nil {
			return err
		}
	}
	return nil
}

// unmet returns the purposes of which the run has met no value, although there are, or were, some that live longer than the grace.
func (r *Rewrapper) unmet(ctx context.Context, run string) (purposes []string, err error) {
	if err := r.recordPurposes(ctx); err != nil {
		return nil, err
	}
	rows, err := r.config.DB.Query(ctx, "SELECT purpose FROM barrier_purposes WHERE run <> $1 ORDER BY purpose", run)
	if err != nil {
		return nil, fmt.Errorf("read purposes of wrapped values: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var purpose string
		if err := rows.Scan(&purpose); err != nil {
			return nil, fmt.Errorf("read purposes of wrapped values: %w", err)
		}
		if !slices.Contains(r.config.Transient, purpose) {
			purposes = append(purposes, purpose)
		}
	}
	return purposes, rows.Err()
}
