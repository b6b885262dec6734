// Package tenants keeps the parties whose data stands apart: the table tenants, their life from creation to the removal of the last row,
// and the question that every request asks, whether its tenant is in force. Its main type is [Registry].
//
// A tenant's identifier is a slug that never changes and is never given out again, so a removed tenant leaves a row behind that says
// so. How its rows are kept apart, by row-level security or in a schema of its own, is chosen at creation and never changes either.
package tenants

import (
	"regexp"
	"time"
)

// Default is the tenant that is always there. It cannot be suspended or deleted.
const Default = "default"

// Status is what a tenant may do.
type Status string

// A deleting tenant does nothing, and can be called back until its rows are being removed. A deleted one is a name that is not given
// out again.
const (
	StatusActive    Status = "active"
	StatusSuspended Status = "suspended"
	StatusDeleting  Status = "deleting"
	StatusDeleted   Status = "deleted"
)

// Isolation is how a tenant's rows are kept apart from others'.
type Isolation string

// IsolationSchema is PostgreSQL's alone.
const (
	IsolationRow    Isolation = "row"
	IsolationSchema Isolation = "schema"
)

// Tenant is one row of the table.
type Tenant struct {
	// ID is a slug: [a-z0-9][a-z0-9-]{0,30}.
	ID string
	// Name is for people; at most 200 bytes, perhaps empty.
	Name      string
	Status    Status
	Isolation Isolation
	CreatedAt time.Time
	UpdatedAt time.Time
	// DeleteAfter is when the rows of a deleting tenant are removed; zero unless it is deleting.
	DeleteAfter time.Time
	// Version counts the changes of the row, from 1.
	Version int64
}

var slug = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,30}$`)

// maxName is the length of a display name in bytes.
const maxName = 200
