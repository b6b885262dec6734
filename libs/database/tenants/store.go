package tenants

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

// The columns of a Tenant, in the order of scan.
const columns = "id, name, status, isolation, created_at, updated_at, delete_after, version"

const (
	selectOne   = "SELECT " + columns + " FROM tenants WHERE id = $1 AND status <> 'deleted'"
	selectPage  = "SELECT " + columns + " FROM tenants WHERE id > $1 AND status <> 'deleted' ORDER BY id LIMIT $2"
	selectDue   = "SELECT " + columns + " FROM tenants WHERE status = 'deleting' AND delete_after <= $1 ORDER BY delete_after, id"
	insertOne   = "INSERT INTO tenants (id, name, status, isolation, created_at, updated_at, delete_after, purge_began_at, version) VALUES ($1, $2, $3, $4, $5, $6, 0, 0, 1) ON CONFLICT (id) DO NOTHING"
	selectCount = "SELECT count(*) FROM tenants WHERE id = $1"
)

func scan(from database.Scanner) (t Tenant, err error) {
	var created, updated, deleteAfter int64
	if err := from.Scan(&t.ID, &t.Name, &t.Status, &t.Isolation, &created, &updated, &deleteAfter, &t.Version); err != nil {
		return Tenant{}, err
	}
	t.CreatedAt, t.UpdatedAt = database.Time(created), database.Time(updated)
	if deleteAfter != 0 {
		t.DeleteAfter = database.Time(deleteAfter)
	}
	return t, nil
}

// Get returns a tenant that is not deleted; [ErrNotFound].
func (r *Registry) Get(ctx context.Context, id string) (Tenant, error) {
	t, err := scan(r.db.QueryRow(ctx, selectOne, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Tenant{}, ErrNotFound
	}
	if err != nil {
		return Tenant{}, fmt.Errorf("read tenant %q: %w", id, err)
	}
	return t, nil
}

// List returns up to limit tenants with ids after the given one, in order of their ids, without the deleted ones.
func (r *Registry) List(ctx context.Context, after string, limit int) ([]Tenant, error) {
	return r.list(ctx, selectPage, after, int64(limit))
}

func (r *Registry) list(ctx context.Context, query string, args ...any) (list []Tenant, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("list tenants: %w", err)
		}
	}()
	rows, err := r.db.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		t, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, rows.Err()
}

// exists also finds deleted tenants.
func (r *Registry) exists(ctx context.Context, id string) (bool, error) {
	var n int
	err := r.db.QueryRow(ctx, selectCount, id).Scan(&n)
	return n > 0, err
}

// insert adds t; false if the id is, or was, another's.
func (r *Registry) insert(ctx context.Context, t Tenant) (bool, error) {
	result, err := r.db.Exec(ctx, insertOne, t.ID, t.Name, string(t.Status), string(t.Isolation),
		database.Micros(t.CreatedAt), database.Micros(t.UpdatedAt))
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n == 1, err
}
