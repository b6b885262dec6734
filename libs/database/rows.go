package database

import (
	"database/sql/driver"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// boundRows are the rows of a statement that was sent together with the one that binds it.
type boundRows struct {
	types   *pgtype.Map
	results pgx.BatchResults
	rows    pgx.Rows
	fields  []pgconn.FieldDescription
	codecs  []pgtype.Codec // nil for a type that pgx does not know: it is asked for as text

	first  bool // the first row is read ahead, so that the statement's error is that of the query
	more   bool // what reading it said
	closed bool
}

// readRows takes over results, whose next answer is the statement's.
func readRows(types *pgtype.Map, results pgx.BatchResults) (driver.Rows, error) {
	rows, err := results.Query()
	if err != nil {
		_ = results.Close() // reports the same
		return nil, err
	}
	r := &boundRows{types: types, results: results, rows: rows, first: true, more: rows.Next()}
	if err := rows.Err(); err != nil {
		_ = results.Close() // reports the same
		return nil, err
	}
	r.fields = rows.FieldDescriptions()
	r.codecs = make([]pgtype.Codec, len(r.fields))
	for i, field := range r.fields {
		if known, ok := types.TypeForOID(field.DataTypeOID); ok {
			r.codecs[i] = known.Codec
		}
	}
	return r, nil
}

// Columns implements driver.Rows.
func (r *boundRows) Columns() []string {
	names := make([]string, len(r.fields))
	for i, field := range r.fields {
		names[i] = field.Name
	}
	return names
}

// Next implements driver.Rows.
func (r *boundRows) Next(dest []driver.Value) error {
	more := r.more
	if r.first {
		r.first = false
	} else {
		more = r.rows.Next()
	}
	if !more {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return io.EOF
	}
	for i, raw := range r.rows.RawValues() {
		if raw == nil {
			dest[i] = nil
			continue
		}
		if r.codecs[i] == nil {
			dest[i] = string(raw)
			continue
		}
		value, err := r.codecs[i].DecodeDatabaseSQLValue(r.types, r.fields[i].DataTypeOID, r.fields[i].Format, raw)
		if err != nil {
			return fmt.Errorf("column %s: %w", r.fields[i].Name, err)
		}
		dest[i] = value
	}
	return nil
}

// Close implements driver.Rows. It reads what is left, and so brings the connection to the end of the implicit transaction.
func (r *boundRows) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	r.rows.Close()
	return r.results.Close()
}
