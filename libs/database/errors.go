package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

var (
	// ErrEnded is returned for a context whose transaction or unit of work is over. Its statements are refused, because outside the
	// transaction they would mean something else.
	ErrEnded = errors.New("the transaction of this context has ended")
	// ErrInTransaction is returned by [DB.Independent] inside a transaction.
	ErrInTransaction = errors.New("a transaction is open in this context")
	// ErrOutcomeUnknown says that the connection was lost, or timed out, while a commit was under way: the change may be there or not.
	// Whoever retries must be able to tell, by an Idempotency-Key or by looking.
	ErrOutcomeUnknown = errors.New("the connection was lost during commit: the change may be there or not")
	// ErrSchemaTooNew says that the schema is more than one generation ahead of this program.
	ErrSchemaTooNew = errors.New("the database's schema is too new for this program")
	// ErrTenantSchemas says that no further tenant can have a schema of its own: such schemas are off, or as many as allowed are there.
	ErrTenantSchemas = errors.New("no further tenant can have a schema of its own (schema_tenants)")
	// ErrRowSecurity says that row-level security is required and does not hold the service back.
	ErrRowSecurity = errors.New("row-level security is not in force")
)

// UnavailableError says that the database did not answer, or not in time. Unless it wraps [ErrOutcomeUnknown] nothing was changed.
type UnavailableError struct {
	Err error
}

func (e *UnavailableError) Error() string { return "database unavailable: " + e.Err.Error() }

func (e *UnavailableError) Unwrap() error { return e.Err }

// ErrorCode is the code that a client of the API sees.
func (e *UnavailableError) ErrorCode() string { return "state_unavailable" }

// IsUniqueViolation says whether err is a refused duplicate in a primary key or unique index.
func IsUniqueViolation(err error) bool {
	if code, ok := sqliteCode(err); ok {
		return code == sqlite3.SQLITE_CONSTRAINT_UNIQUE || code == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	return sqlState(err) == "23505" // unique_violation
}

// isRetriable says whether err rolled the transaction back for a reason that passes: it lost against another one.
func isRetriable(err error) bool {
	if errors.Is(err, ErrOutcomeUnknown) {
		return false
	}
	if code, ok := sqliteCode(err); ok {
		return code&0xff == sqlite3.SQLITE_BUSY
	}
	switch sqlState(err) {
	case "40001", "40P01": // serialization_failure, deadlock_detected
		return true
	}
	return false
}

// asUnavailable marks an error that means that the database was not there. Others come back as they are.
func asUnavailable(err error) error {
	var unavailable *UnavailableError
	if err == nil || errors.As(err, &unavailable) || !isUnavailable(err) {
		return err
	}
	return &UnavailableError{Err: err}
}

func isUnavailable(err error) bool {
	if code, ok := sqliteCode(err); ok {
		switch code & 0xff {
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN:
			return true
		}
		return false
	}
	if state := sqlState(err); state != "" {
		switch {
		case strings.HasPrefix(state, "08"), // connection exception
			strings.HasPrefix(state, "53"),                                         // insufficient resources, too many connections
			strings.HasPrefix(state, "57P"),                                        // shutdown, crash, starting up
			state == "57014",                                                       // statement timeout
			state == "55P03",                                                       // lock timeout
			state == "25006",                                                       // read-only: a demoted primary
			state == "40001", state == "40P01", state == "25P03", state == "25P04": // retries used up; idle transaction ended
			return true
		}
		return false
	}
	return isConnectionLoss(err)
}

// isConnectionLoss says whether err came from the connection, not from the server.
func isConnectionLoss(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) { // also one that took too long
		return true
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, pgconn.ErrConnClosed) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, sql.ErrConnDone)
}

// commitError classifies an error of COMMIT, or of a statement that commits by itself.
func commitError(err error) error {
	if err == nil || !mayHaveCommitted(err) {
		return asUnavailable(err)
	}
	return &UnavailableError{Err: fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)}
}

func mayHaveCommitted(err error) bool {
	if code, ok := sqliteCode(err); ok {
		return code&0xff == sqlite3.SQLITE_IOERR // written perhaps, but not known to be on disk
	}
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return server.SeverityUnlocalized != "ERROR" // FATAL and PANIC end the session, perhaps after the commit
	}
	// pgx 5.12 reports some losses after it has sent a statement as "conn closed", which it calls safe to retry: it is not.
	return isConnectionLoss(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func sqliteCode(err error) (int, bool) {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code(), true
	}
	return 0, false
}

func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
