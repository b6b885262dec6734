package database

import (
	"net"
	"time"
)

// Impatient is a connection to PostgreSQL as it is dialed, with another patience and taker of the news that it has run out.
func Impatient(conn net.Conn, patience time.Duration, tell func()) net.Conn {
	return &impatientConn{Conn: conn, patience: patience, tell: tell}
}

// Suspect says that a connection hears nothing.
func (db *DB) Suspect() { db.hearing.suspect() }
