package changes

import (
	"context"
	"fmt"
	"slices"
)

// tooMany is how many changes of one lane a follower reads one by one; beyond, it says that everything may have changed.
const tooMany = 1000

// read looks once for what is new and tells it. What is told and remembered changes only when all of it could be read.
func (f *Follower) read(ctx context.Context) error {
	began, number := f.now(), f.begun.Add(1)
	ctx, cancel := context.WithTimeout(ctx, f.bound)
	defer cancel()
	current, err := f.lanes(ctx)
	if err != nil {
		return fmt.Errorf("read lanes of changes: %w", err)
	}
	news, positions, complete, err := f.news(ctx, current)
	if err != nil {
		return fmt.Errorf("read changes: %w", err)
	}
	if !complete {
		news, positions = []Change{{All: true}}, current
	}
	for _, change := range news {
		f.tell(change)
	}
	f.positions = positions
	f.last.Store(&began)
	f.failed.Store(nil)
	f.done.Store(number)
	return nil
}

// lanes reads where each lane stands.
func (f *Follower) lanes(ctx context.Context) ([]position, error) {
	rows, err := f.db.Query(ctx, `SELECT lane, value, mark FROM change_lanes ORDER BY lane`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	current := make([]position, 0, lanes)
	for rows.Next() {
		var p position
		if err := rows.Scan(&p.lane, &p.value, &p.mark); err != nil {
			return nil, err
		}
		current = append(current, p)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if len(current) != lanes {
		return nil, fmt.Errorf("there are %d lanes, not %d", len(current), lanes)
	}
	return current, nil
}

// news reads what lies between the positions and the current ones, or a little more, and the positions after it. It is not complete when
// some of it is gone, too much, or was never preceded by what this follower has read.
func (f *Follower) news(ctx context.Context, current []position) (news []Change, after []position, complete bool, err error) {
	if f.positions == nil {
		return nil, nil, false, nil
	}
	after = slices.Clone(f.positions)
	for i, was := range f.positions {
		is := current[i]
		if is == was {
			continue
		}
		if is.value <= was.value || is.value-was.value > tooMany {
			return nil, nil, false, nil
		}
		found, last, err := f.following(ctx, was)
		if err != nil {
			return nil, nil, false, err
		}
		if last.value < is.value {
			return nil, nil, false, nil
		}
		news, after[i] = append(news, found...), last
	}
	return news, after, true, nil
}

// following reads the unbroken run of changes that follow p, and the last one's position: p itself if the database does not have p any
// more, or has another mark there.
func (f *Follower) following(ctx context.Context, p position) (found []Change, last position, err error) {
	rows, err := f.db.Query(ctx, `SELECT seq, mark, tenant_id, kind, object_id FROM changes WHERE lane = $1 AND seq >= $2 ORDER BY seq LIMIT $3`,
		p.lane, p.value, 2*tooMany)
	if err != nil {
		return nil, p, err
	}
	defer func() { _ = rows.Close() }()
	last = p
	seen := p.value == 0 // the start has no row
	for rows.Next() {
		next := position{lane: p.lane}
		var c Change
		if err := rows.Scan(&next.value, &next.mark, &c.Tenant, &c.Kind, &c.ID); err != nil {
			return nil, p, err
		}
		switch {
		case !seen && next != p, seen && next.value != last.value+1:
			return found, last, nil
		case !seen:
			seen = true
			continue
		}
		found, last = append(found, c), next
	}
	return found, last, rows.Err()
}

func (f *Follower) tell(c Change) {
	for _, s := range f.subscribers {
		if c.All || s.kind == "" || s.kind == c.Kind {
			s.tell(c)
		}
	}
}
