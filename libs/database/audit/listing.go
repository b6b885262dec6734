package audit

import (
	"time"
)

// Filter selects events; empty members select all.
type Filter struct {
	// Since and Until bound the time of the event: from Since on, before Until.
	Since, Until time.Time
	Action       string
	Outcome      string
	ActorID      string
	ObjectKind   string
	ObjectID     string
	// Newest lists backwards; after is then the number before which the list begins, 0 for the end.
	Newest bool
}

// Entry is a numbered event.
type Entry struct {
	Seq int64
	// Event is the event's JSON object (docs/audit.md has its members).
	Event []byte
	// Intact tells that the row is what was recorded. False means that somebody else has written to the database.
	Intact bool
}

// Range selects what to export. Numbers and times are bounds together; zero is no bound.
type Range struct {
	// From and To are numbers of events, both included.
	From, To int64
	// Since and Until bound the time of the event: from Since on, before Until.
	Since, Until time.Time
}
