package auditchain

import "fmt"

// Kind is what is wrong at a break.
type Kind string

// The kinds of breaks.
const (
	Altered   Kind = "altered"   // an event's content is not what was linked
	Missing   Kind = "missing"   // events were removed
	Reordered Kind = "reordered" // an event or a checkpoint stands at another place
	Inserted  Kind = "inserted"  // a number occurs twice
	Rewritten Kind = "rewritten" // consistent in itself, and not what a checkpoint has signed
	Cut       Kind = "cut"       // the end is missing
	Unsigned  Kind = "unsigned"  // checkpoints are missing
	Forged    Kind = "forged"    // a checkpoint that none of the keys has signed
	Foreign   Kind = "foreign"   // of another chain
	Malformed Kind = "malformed" // a line that is not of an export
)

// BreakError is the first place where an export is not what was recorded.
type BreakError struct {
	Kind Kind `json:"kind"`
	// Seq is the number of the event concerned, the lowest where several may be; 0 where the line tells none.
	Seq int64 `json:"seq,omitempty"`
	// Line is the line of the export, from 1; 0 where something is missing at its end.
	Line int64  `json:"line,omitempty"`
	Text string `json:"text"`
}

func (b *BreakError) Error() string {
	if b.Line == 0 {
		return b.Text
	}
	return fmt.Sprintf("line %d: %s", b.Line, b.Text)
}
