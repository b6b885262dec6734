package database

import (
	"database/sql"
	"fmt"
)

// Scanner is what sql.Row, sql.Rows and [Row] have in common.
type Scanner interface {
	Scan(dest ...any) error
}

// Collect reads every row by scan and closes rows.
func Collect[T any](rows *sql.Rows, scan func(Scanner) (T, error)) ([]T, error) {
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read rows: %w", err)
	}
	return all, nil
}
