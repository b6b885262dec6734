package validation

import (
	"context"
	"fmt"
	"net/netip"
)

// Resolver answers questions about DNS names. An answer has passed DNSSEC validation where the name's zone is signed. Every error about
// a name is a [*LookupError]. It is a guarded.Resolver.
type Resolver interface {
	// LookupNetIP finds the addresses of a name; network is "ip".
	LookupNetIP(ctx context.Context, network, name string) ([]netip.Addr, error)
	// LookupTXT finds the texts of a name, the strings of each record joined.
	LookupTXT(ctx context.Context, name string) ([]string, error)
	// LookupCAA finds the CAA records of a name, or of the name that it is an alias of. A name that has none, or does not exist, has an
	// empty answer and no error.
	LookupCAA(ctx context.Context, name string) ([]CAA, error)
}

// CAA is one record (RFC 8659 section 4.1).
type CAA struct {
	Flag  uint8
	Tag   string
	Value string
}

// Reason is why a look-up has no answer.
type Reason int

// The reasons.
const (
	LookupNoName  Reason = iota // the name does not exist (NXDOMAIN)
	LookupNoData                // it has no record of the type
	LookupFailed                // the resolver says that it failed: SERVFAIL, which a wrong signature gives as well
	LookupTrouble               // the resolver did not answer, or nonsense
)

// LookupError is why a look-up has no answer.
type LookupError struct {
	Name, Type string
	Reason     Reason
	Err        error // what happened, or nil
}

// Error names the question.
func (e *LookupError) Error() string {
	text := [...]string{"no such name", "no such record", "the resolver failed", "the resolver did not answer"}[e.Reason]
	if e.Err != nil {
		return fmt.Sprintf("look up %s of %s: %s: %v", e.Type, e.Name, text, e.Err)
	}
	return fmt.Sprintf("look up %s of %s: %s", e.Type, e.Name, text)
}

// Unwrap returns what happened.
func (e *LookupError) Unwrap() error { return e.Err }
