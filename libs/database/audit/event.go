package audit

import (
	"net/netip"
	"time"
)

// Outcomes of an event.
const (
	Allowed = "allowed"
	Denied  = "denied" // by authentication, authorization or a limit
	Failed  = "failed" // allowed, and then it could not be done
)

// Event is something that happened. It holds no bodies and no secrets. Texts that are too long are cut, and control characters replaced.
type Event struct {
	// Time is when; zero is now.
	Time time.Time
	// Tenant owns the chain: a tenant's slug, or System. In a transaction "" is the tenant that the context is bound to.
	Tenant string
	Actor  Actor
	// Action is what was done, as "key.rotate" or an operationId; required.
	Action string
	Object Object
	// Outcome is Allowed, Denied or Failed; "" is Allowed. Code is the stable code of a refusal.
	Outcome, Code string
	RequestID     string
	// Address is the client's. It is stored as a keyed hash.
	Address netip.Addr
	// Fields are further facts, at most 32.
	Fields []Field
}

// Actor is who did it.
type Actor struct {
	// Kind is the principal's ("user", "client", "api_token", "operator", "service"), ID its identifier in the tenant.
	Kind, ID string
	// Name is a login name, perhaps one that nobody has. It is stored as a keyed hash.
	Name string
}

// Object is what it was done to.
type Object struct {
	Kind, ID string
	// Version is the version of a key, say; 0 for none.
	Version int64
}

// Field is a named fact; [Text], [Number] and [Flag] make it.
type Field struct {
	name  string
	value any // string, int64 or bool
}

// Text makes a field. Never of a person's data, a secret, or something that a caller has sent in a body.
func Text(name, value string) Field { return Field{name, value} }

// Number makes a field.
func Number(name string, value int64) Field { return Field{name, value} }

// Flag makes a field.
func Flag(name string, value bool) Field { return Field{name, value} }

// Observation is an event that no transaction has taken with it.
type Observation struct {
	Event
	// Count is how often it happened; 0 is once.
	Count int64
	// Known tells that the caller was authenticated, so that the tenant is one that exists.
	Known bool
	// DataPlane tells that the operation uses something and changes nothing.
	DataPlane bool
	// Recorded tells that the operation has recorded an event of its own; it is then observed only if it was not allowed.
	Recorded bool
}
