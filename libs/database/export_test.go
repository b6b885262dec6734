package database

import (
	"net"
	"time"
)

// Impatient is a connection to PostgreSQL as it is dialed, with another patience.
func Impatient(conn net.Conn, patience time.Duration) net.Conn {
	return &impatientConn{Conn: conn, patience: patience}
}
