package rewrap

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/database"
)

// The steps of a run beside the sources, in whose order they are the first and the last one.
const (
	keysSource   = "barrier/keys"
	retireSource = "barrier/retire"
)

// retireAll is the position of the last step when content keys are retired too.
const retireAll = "contents"

// Progress tells how far a run is with one source.
type Progress struct {
	Source, Run string
	// Position is that of the last item that was looked at.
	Position string
	// Scanned items were looked at; Rewrapped ones had an old key, or, in the last step, were keys that were removed. Failed ones could
	// not be opened: Failure is what was wrong with the last of them.
	Scanned, Rewrapped, Failed int64
	Failure                    string
	StartedAt, UpdatedAt       time.Time
	// FinishedAt is zero while there is work.
	FinishedAt time.Time

	// purposes are those of the items since the progress was saved last.
	purposes []string
}

// Status is the last run, or the one under way.
type Status struct {
	// Run is "" before the first one.
	Run      string
	Finished bool
	Sources  []Progress
}

// failed notes an error that is about one item; it returns any other.
func (p *Progress) failed(err error) (skip bool, _ error) {
	var value *barrier.ValueError
	if err == nil || !errors.As(err, &value) && !errors.Is(err, barrier.ErrLost) {
		return false, err
	}
	p.note(err.Error())
	return true, nil
}

func (p *Progress) note(failure string) {
	p.Failed++
	p.Failure = failure
}

// begin stores a new run, or returns the one under way.
func (r *Rewrapper) begin(ctx context.Context, retire bool) (status Status, err error) {
	run, err := uuid.NewV7()
	if err != nil {
		return Status{}, err
	}
	names := []string{keysSource}
	for _, source := range r.config.Sources {
		names = append(names, source.Name())
	}
	names = append(names, retireSource)
	now := database.Micros(r.config.Now())
	err = r.config.DB.InTx(ctx, func(ctx context.Context) error {
		// The lock makes one of two who start at once see the other's run.
		if _, err := r.config.DB.Exec(ctx, "UPDATE barrier_hierarchy SET generation = generation WHERE id = 1"); err != nil {
			return err
		}
		if status, err = r.Status(ctx); err != nil || status.Run != "" && !status.Finished {
			return err
		}
		if _, err := r.config.DB.Exec(ctx, "DELETE FROM barrier_rewraps"); err != nil {
			return err
		}
		for _, name := range names {
			position := ""
			if name == retireSource && retire {
				position = retireAll
			}
			if _, err := r.config.DB.Exec(ctx, `INSERT INTO barrier_rewraps (source, run, position, scanned, rewrapped, failed, failure, started_at, updated_at, finished_at)
				VALUES ($1, $2, $3, 0, 0, 0, '', $4, $4, 0)`, name, run.String(), position, now); err != nil {
				return err
			}
		}
		status, err = r.Status(ctx)
		return err
	})
	return status, err
}

// Status tells how far the last run is.
func (r *Rewrapper) Status(ctx context.Context) (status Status, err error) {
	rows, err := r.config.DB.Query(ctx, `SELECT source, run, position, scanned, rewrapped, failed, failure, started_at, updated_at, finished_at
		FROM barrier_rewraps ORDER BY CASE source WHEN 'barrier/keys' THEN 0 WHEN 'barrier/retire' THEN 2 ELSE 1 END, source`)
	if err != nil {
		return Status{}, fmt.Errorf("read progress of re-wrapping: %w", err)
	}
	defer func() { _ = rows.Close() }() // Err says what went wrong
	status.Finished = true
	for rows.Next() {
		var p Progress
		var started, updated, finished int64
		if err := rows.Scan(&p.Source, &p.Run, &p.Position, &p.Scanned, &p.Rewrapped, &p.Failed, &p.Failure, &started, &updated, &finished); err != nil {
			return Status{}, fmt.Errorf("read progress of re-wrapping: %w", err)
		}
		p.StartedAt, p.UpdatedAt = database.Time(started), database.Time(updated)
		if finished != 0 {
			p.FinishedAt = database.Time(finished)
		}
		status.Run, status.Finished = p.Run, status.Finished && finished != 0
		status.Sources = append(status.Sources, p)
	}
	if err := rows.Err(); err != nil {
		return Status{}, fmt.Errorf("read progress of re-wrapping: %w", err)
	}
	return status, nil
}

// unfinished are the steps of the run under way that are not at their end, in order.
func (r *Rewrapper) unfinished(ctx context.Context) (open []Progress, err error) {
	status, err := r.Status(ctx)
	for _, p := range status.Sources {
		if p.FinishedAt.IsZero() {
			open = append(open, p)
		}
	}
	return open, err
}

// save stores how far the step is, unless another replica has taken the work over.
func (r *Rewrapper) save(ctx context.Context, p Progress) error {
	finished := int64(0)
	if !p.FinishedAt.IsZero() {
		finished = database.Micros(p.FinishedAt)
	}
	err := r.config.DB.InTx(ctx, func(ctx context.Context) error {
		if err := r.config.Lease.Fence(ctx); err != nil {
			return err
		}
		_, err := r.config.DB.Exec(ctx, `UPDATE barrier_rewraps SET position = $1, scanned = $2, rewrapped = $3, failed = $4, failure = $5, updated_at = $6, finished_at = $7
			WHERE source = $8 AND run = $9`,
			p.Position, p.Scanned, p.Rewrapped, p.Failed, p.Failure, database.Micros(r.config.Now()), finished, p.Source, p.Run)
		if err == nil {
			err = r.met(ctx, p.Run, p.purposes)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("save progress of re-wrapping: %w", err)
	}
	return nil
}
