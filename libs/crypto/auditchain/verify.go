package auditchain

import (
	"errors"
	"io"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// Options say what [Verify] may trust.
type Options struct {
	// Keys are the service's public checkpoint keys; at least one.
	Keys []*jwk.Key
	// Trusted are checkpoints from elsewhere than the export, such as the service's log; they find a tail that was cut off or rewritten. Those of
	// other chains are ignored.
	Trusted []Checkpoint
	// Partial accepts an export that does not begin with the oldest event that the chain keeps.
	Partial bool
}

// Result is what an export holds and how far it is proven.
type Result struct {
	Service string `json:"service"`
	Chain   string `json:"chain"`
	// First and Last are the numbers of the first and the last event.
	First int64 `json:"first"`
	Last  int64 `json:"last"`
	// Signed is the number up to which a checkpoint vouches. Events after it are linked, but nothing keeps who can write to the database from
	// having replaced them.
	Signed int64 `json:"signed"`
	// Events and Checkpoints count lines.
	Events      int64 `json:"events"`
	Checkpoints int64 `json:"checkpoints"`
}

// Kind is what is wrong at a break.
type Kind string

// The kinds of breaks.
const (
	Altered   Kind = "altered"   // an event's content is not what was linked
	Missing   Kind = "missing"   // events were removed
	Reordered Kind = "reordered" // an event stands at another place
	Inserted  Kind = "inserted"  // a number occurs twice
	Rewritten Kind = "rewritten" // consistent in itself, and not what a checkpoint has signed
	Cut       Kind = "cut"       // the end is missing
	Unsigned  Kind = "unsigned"  // checkpoints are missing
	Forged    Kind = "forged"    // a checkpoint that the service's key has not signed
	Malformed Kind = "malformed" // a line that is not of an export
)

// Break is the first place where an export is not what was recorded.
type Break struct {
	Kind Kind
	// Seq is the number of the event concerned, the lowest where several are.
	Seq int64
	// Line is the line of the export, from 1; 0 where something is missing at its end.
	Line int64
	text string
}

func (b *Break) Error() string { return b.text }

// Verify reads an export to its end, in bounded memory. The error is a [*Break], or that of the reader.
func Verify(export io.Reader, opts Options) (Result, error) {
	return Result{}, errors.New("not yet")
}
