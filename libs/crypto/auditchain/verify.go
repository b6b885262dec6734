package auditchain

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// MaxUnsigned is how many events a chain grows by, at most, until the next checkpoint.
const MaxUnsigned = 1000

// Options say what [Verify] may trust.
type Options struct {
	// Keys are the service's public checkpoint keys; at least one.
	Keys []*jwk.Key
	// Trusted are checkpoints from elsewhere than the export, such as the service's log; they find a tail that was cut off or rewritten.
	// Those of other chains are ignored.
	Trusted []Checkpoint
	// Partial accepts an export of a part of the chain: one that neither begins with the oldest event that is kept nor ends with the
	// newest that a trusted checkpoint knows.
	Partial bool
}

// Result is what an export holds and how far it is proven.
type Result struct {
	Service string `json:"service"`
	Chain   string `json:"chain"`
	// First and Last are the numbers of the first and the last event, 0 when there is none.
	First int64 `json:"first"`
	Last  int64 `json:"last"`
	// Signed is the number up to which a checkpoint vouches. Events after it are linked, but nothing keeps who can write to the database
	// from having replaced them.
	Signed int64 `json:"signed"`
	// Events and Checkpoints count lines.
	Events      int64 `json:"events"`
	Checkpoints int64 `json:"checkpoints"`
}

// Verify reads an export to its end, in bounded memory. The error is a [*BreakError], or that of the reader; Result then tells of what comes
// before it.
func Verify(export io.Reader, opts Options) (Result, error) {
	if len(opts.Keys) == 0 {
		return Result{}, errors.New("verify audit export: no key")
	}
	v := &verifier{opts: opts, lines: newLines(export)}
	for {
		l, err := v.lines.next()
		if errors.Is(err, io.EOF) {
			return v.result, v.end()
		}
		if wrong := (lineError{}); errors.As(err, &wrong) {
			return v.result, v.broken(Malformed, v.result.Last+1, "it cannot be read: %v", wrong.error)
		}
		if err != nil {
			return v.result, fmt.Errorf("verify audit export: %w", err)
		}
		if l.entry.Event == nil {
			err = v.checkpoint(l.jws)
		} else {
			err = v.event(l.entry)
		}
		if err != nil {
			return v.result, err
		}
	}
}

// verifier is between two lines. Until the first line, result.Chain is empty.
type verifier struct {
	opts   Options
	lines  *lines
	result Result

	hash    Hash         // of event result.Last, or of the checkpoint that the export begins with
	base    int64        // number of the event before the first; known with the first line
	first   int64        // of the events that are kept, as the checkpoints tell; retention only ever moves on
	trusted []Checkpoint // of this chain that are not reached yet, in the order of their numbers
	started bool
	vouched bool // by a checkpoint
}

func (v *verifier) broken(kind Kind, seq int64, text string, args ...any) error {
	return &BreakError{Kind: kind, Seq: seq, Line: v.lines.n, Text: fmt.Sprintf(text, args...)}
}

// last is the number up to which the export has been read.
func (v *verifier) last() int64 { return max(v.base, v.result.Last) }

// begin learns from the first line which chain this is and what comes before.
func (v *verifier) begin(chain string, base int64, hash Hash) error {
	v.started, v.result.Chain, v.base, v.hash = true, chain, base, hash
	for _, c := range v.opts.Trusted {
		if c.Chain == chain {
			v.trusted = append(v.trusted, c)
			v.first = max(v.first, c.First)
		}
	}
	slices.SortFunc(v.trusted, func(a, b Checkpoint) int { return cmp.Compare(a.Seq, b.Seq) })
	return v.compareTrusted()
}

func (v *verifier) event(e Entry) error {
	if !v.started {
		chain, err := tenantOf(e.Event)
		if err != nil {
			return v.broken(Malformed, e.Seq, "event %d cannot be read: %v", e.Seq, err)
		}
		if err := v.begin(chain, e.Seq-1, e.Prev); err != nil {
			return err
		}
		if e.Seq == 1 && e.Prev != (Hash{}) {
			return v.broken(Altered, 1, "event 1 is linked to one before it")
		}
	}
	if Link(v.result.Chain, e.Seq, e.Prev, e.Event) != e.Hash {
		return v.broken(Altered, e.Seq, "event %d was altered: it does not have the hash that it states", e.Seq)
	}
	expected := v.last() + 1
	switch {
	case e.Seq > expected:
		return v.gap(expected, e.Seq)
	case e.Seq < expected:
		return v.broken(Inserted, e.Seq, "event %d comes a second time, or was put in: event %d is expected", e.Seq, expected)
	case e.Prev != v.hash && v.result.Events == 0:
		return v.broken(Rewritten, e.Seq, "event %d does not follow the event that the checkpoint before it has signed", e.Seq)
	case e.Prev != v.hash:
		return v.broken(Altered, e.Seq-1, "event %d was altered: event %d was linked to another content", e.Seq-1, e.Seq)
	}
	if v.result.Events == 0 {
		v.result.First = e.Seq
	}
	v.result.Events++
	v.result.Last, v.hash = e.Seq, e.Hash
	if err := v.compareTrusted(); err != nil {
		return err
	}
	if from := max(v.result.Signed, v.base); e.Seq-from > MaxUnsigned {
		return v.broken(Unsigned, from+1, "no checkpoint follows event %d, although there is one every %d events", from, MaxUnsigned)
	}
	return nil
}

// gap tells events that were removed from events that stand elsewhere in the export.
func (v *verifier) gap(expected, found int64) error {
	gap := v.broken(Missing, expected, "%s missing: event %d follows event %d", events(expected, found-1), found, expected-1)
	for {
		l, err := v.lines.next()
		if wrong := (lineError{}); err != nil && !errors.As(err, &wrong) {
			return gap
		}
		e := l.entry
		if err == nil && e.Event != nil && e.Seq == expected && Link(v.result.Chain, e.Seq, e.Prev, e.Event) == e.Hash {
			return v.broken(Reordered, expected, "event %d stands here, and event %d in its place", expected, found)
		}
	}
}

// compareTrusted holds what has been read against the checkpoints from elsewhere.
func (v *verifier) compareTrusted() error {
	for len(v.trusted) > 0 && v.trusted[0].Seq <= v.last() {
		c := v.trusted[0]
		v.trusted = v.trusted[1:]
		if c.Seq < v.last() {
			continue // before the export begins
		}
		if c.Hash != v.hash {
			return v.rewritten(c)
		}
		v.result.Signed, v.vouched = c.Seq, true
	}
	return nil
}

func (v *verifier) rewritten(c Checkpoint) error {
	from := min(max(v.result.Signed, v.base)+1, c.Seq)
	return v.broken(Rewritten, from, "%s not what was signed at %s: the first that differs is one of them", events(from, c.Seq), c.Time.Format(timeLayout))
}

func events(from, to int64) string {
	if from == to {
		return fmt.Sprintf("event %d is", from)
	}
	return fmt.Sprintf("events %d to %d are", from, to)
}

func (v *verifier) checkpoint(compact string) error {
	c, err := OpenCheckpoint(compact, v.opts.Keys)
	if err != nil {
		return v.broken(Forged, v.last()+1, "the checkpoint after event %d: %v", v.last(), err)
	}
	if !v.started {
		v.result.Service = c.Service
		if err := v.begin(c.Chain, c.Seq, c.Hash); err != nil {
			return err
		}
	}
	if v.result.Service == "" {
		v.result.Service = c.Service
	}
	switch {
	case c.Chain != v.result.Chain || c.Service != v.result.Service:
		return v.broken(Foreign, v.last()+1, "the checkpoint after event %d is of chain %q of service %q", v.last(), c.Chain, c.Service)
	case c.Seq > v.last():
		from := v.last() + 1
		return v.broken(Missing, from, "%s missing: a checkpoint has signed event %d", events(from, c.Seq), c.Seq)
	case c.Seq < v.last():
		return v.broken(Reordered, c.Seq, "the checkpoint of event %d stands after event %d", c.Seq, v.last())
	case c.Hash != v.hash:
		return v.rewritten(c)
	}
	v.result.Checkpoints++
	v.result.Signed, v.vouched = c.Seq, true
	v.first = max(v.first, c.First)
	return nil
}

// end looks for what is missing once everything that is there is in order.
func (v *verifier) end() error {
	v.lines.n = 0
	if !v.started {
		return v.broken(Malformed, 0, "the export is empty")
	}
	if !v.vouched {
		return v.broken(Unsigned, v.base+1, "the export holds no checkpoint, so nothing vouches for it")
	}
	if v.opts.Partial {
		return nil
	}
	if v.base+1 > v.first {
		return v.broken(Missing, v.first, "%s missing at the beginning: a checkpoint says that they are kept", events(v.first, v.base))
	}
	for _, c := range v.trusted {
		if c.Seq > v.last() {
			from := v.last() + 1
			return v.broken(Cut, from, "the end is cut off: %s missing, of which a checkpoint of %s knows", events(from, c.Seq), c.Time.Format(timeLayout))
		}
	}
	return nil
}
