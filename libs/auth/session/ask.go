package session

import (
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server"
)

// Ask is what a session begins with.
type Ask struct {
	// Principal is who has just been authenticated, and AuthenticatedAt when that began: no session comes of an authentication that is
	// older than the last time all sessions of the principal were ended. Now, if it is zero.
	Principal *server.Principal
	// Client is ClientBrowser or ClientService.
	Client string
	// Login is the name that a user has logged in by; "" for programs.
	Login string
	// Scopes narrow what the session may do, and leave it no roles; nil leaves everything.
	Scopes []string
	// Lifetime shortens the configured one; zero leaves it.
	Lifetime time.Duration
	// Request is where it comes from: its user agent is shown to the owner, and if the principal is confirmed, its client certificate is
	// what the session is bound to. It may be nil.
	Request *http.Request
	// Address is the client's, behind trusted proxies the one that they name. It is shown to the owner.
	Address netip.Addr
}

// Issued is a session that has just begun. Token exists nowhere else.
type Issued struct {
	Token  string
	Format Format
	// Principal has the session's id, scopes and end.
	Principal *server.Principal
	// IdleTimeout is after how long without a use it ends.
	IdleTimeout time.Duration
}

// String hides the token.
func (i Issued) String() string {
	if i.Principal == nil {
		return "no session"
	}
	return "session " + i.Principal.SessionID
}

// GoString is String, so that %#v reveals nothing.
func (i Issued) GoString() string { return i.String() }

// LogValue hides the token.
func (i Issued) LogValue() slog.Value { return slog.StringValue(i.String()) }

// Info is a session as its owner and administrators see it.
type Info struct {
	ID     string
	Client string
	Format Format
	// Realm, Kind, PrincipalID and Name are the owner's.
	Realm, Kind, PrincipalID, Name string
	// Scopes are what the owner had, or asked for, when it began.
	Scopes, Methods []string
	// LastUsedAt is known to the minute.
	AuthenticatedAt, CreatedAt, LastUsedAt, ExpiresAt time.Time
	// Address and UserAgent are where it began; they may be empty.
	Address, UserAgent string
}

// Filter selects sessions; empty members select all.
type Filter struct {
	Kind, PrincipalID, Client string
}
