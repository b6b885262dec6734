// Package jsonscan reads a JSON text (RFC 8259) once, before anything decodes it, and refuses what a decoder would let through:
// a member that appears twice, a member the operation does not know (names compare exactly, letter case included), data after the
// value, invalid UTF-8 and lone surrogates (RFC 7493 section 2.1), and nesting deeper than MaxDepth. It builds nothing and
// allocates only where something is wrong or a name is escaped.
//
// A Shape can also state types, required members and simple bounds, for operations that do without generic schema validation.
package jsonscan

import (
	"strconv"
	"unicode/utf8"

	"github.com/cryptoutil/cryptoutil/libs/server/internal/wording"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// MaxDepth is how deep arrays and objects may nest.
const MaxDepth = 32

// maxFaults is how many broken rules one answer lists, and maxPointer where the pointer to one of them is cut: names may be as long
// as the body.
const (
	maxFaults  = 20
	maxPointer = 512
)

// Scan checks one JSON text against a shape. Its error is a *problem.Error with the code bad_request (not JSON), duplicate_member,
// unknown_member, trailing_data (each at the first such place) or validation_failed (with all places, up to 20).
func Scan(data []byte, shape *Shape) error {
	s := scanner{data: data}
	if err := s.run(shape); err != nil {
		return err
	}

	return nil
}

// scanner is one pass over one text.
type scanner struct {
	data   []byte
	pos    int
	depth  int
	path   [MaxDepth]step
	names  [][]byte // decoded names seen so far in the objects around here, those without a bit of their own
	faults []problem.Field
}

// step is one reference token of the pointer to where the scanner is: a member, or an index when name is nil.
type step struct {
	name  []byte // as in the text, escapes included
	index int
}

func (s *scanner) run(shape *Shape) *problem.Error {
	s.space()
	if s.pos == len(s.data) {
		return problem.New(problem.BadRequest, "the body is empty; a JSON value is expected")
	}
	if err := s.value(shape); err != nil {
		return err
	}
	s.space()
	if s.pos < len(s.data) {
		return problem.New(problem.TrailingData, "data follows the JSON value at byte %d", s.pos)
	}
	if len(s.faults) > 0 {
		return problem.New(problem.ValidationFailed, "the body does not fit the operation").With(s.faults...)
	}

	return nil
}

func (s *scanner) value(shape *Shape) *problem.Error {
	if s.pos == len(s.data) {
		return s.malformed("ends early")
	}
	switch c := s.data[s.pos]; c {
	case '{':
		if !s.allowed(shape, Object) {
			shape = nil
		}

		return s.object(shape)
	case '[':
		if !s.allowed(shape, Array) {
			shape = nil
		}

		return s.array(shape)
	case '"':
		text, err := s.text()
		if err == nil && s.allowed(shape, String) {
			s.checkString(shape, text)
		}

		return err
	case 't':
		return s.literal(shape, "true", Bool)
	case 'f':
		return s.literal(shape, "false", Bool)
	case 'n':
		return s.literal(shape, "null", Null)
	default:
		if c == '-' || isDigit(c) {
			return s.number(shape)
		}

		return s.malformed("has no value where one is expected")
	}
}

func (s *scanner) object(shape *Shape) *problem.Error {
	if s.depth == MaxDepth {
		return s.tooDeep()
	}
	at := s.depth
	s.depth++
	s.pos++
	o := members{scanner: s, shape: shape, base: len(s.names)}
	for s.space(); ; s.space() {
		if s.pos < len(s.data) && s.data[s.pos] == '}' && o.count == 0 {
			break
		}
		if s.pos == len(s.data) || s.data[s.pos] != '"' {
			return s.malformed("has no member name where one is expected")
		}
		name, err := s.text()
		if err != nil {
			return err
		}
		s.path[at] = step{name: name.raw}
		child, err := o.see(name)
		if err != nil {
			return err
		}
		s.space()
		if s.pos == len(s.data) || s.data[s.pos] != ':' {
			return s.malformed("has no colon after a member name")
		}
		s.pos++
		s.space()
		if err := s.value(child); err != nil {
			return err
		}
		s.space()
		if s.pos == len(s.data) || s.data[s.pos] != ',' {
			break
		}
		s.pos++
	}
	if s.pos == len(s.data) || s.data[s.pos] != '}' {
		return s.malformed("has an object that does not end")
	}
	s.pos++
	s.depth--
	o.end()

	return nil
}

func (s *scanner) array(shape *Shape) *problem.Error {
	if s.depth == MaxDepth {
		return s.tooDeep()
	}
	at := s.depth
	s.depth++
	s.pos++
	var child *Shape
	if shape != nil {
		child = shape.Items
	}
	count := 0
	for s.space(); ; s.space() {
		if s.pos < len(s.data) && s.data[s.pos] == ']' && count == 0 {
			break
		}
		s.path[at] = step{index: count}
		if err := s.value(child); err != nil {
			return err
		}
		count++
		s.space()
		if s.pos == len(s.data) || s.data[s.pos] != ',' {
			break
		}
		s.pos++
	}
	if s.pos == len(s.data) || s.data[s.pos] != ']' {
		return s.malformed("has an array that does not end")
	}
	s.pos++
	s.depth--
	s.checkItems(shape, uint64(count))

	return nil
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

func (s *scanner) malformed(what string) *problem.Error {
	return problem.New(problem.BadRequest, "the body is not valid JSON: it %s, at byte %d", what, s.pos)
}

func (s *scanner) tooDeep() *problem.Error {
	return problem.New(problem.BadRequest, "the body nests deeper than %d levels, at byte %d", MaxDepth, s.pos)
}

// pointer is the JSON pointer to where the scanner is, and from there along the member.
func (s *scanner) pointer(member ...string) string {
	tokens := make([]string, s.depth, s.depth+1)
	for i, p := range s.path[:s.depth] {
		if p.name == nil {
			tokens[i] = strconv.Itoa(p.index)

			continue
		}
		tokens[i] = string(unescape(p.name))
	}
	out := problem.Pointer(append(tokens, member...)...)
	for len(out) > maxPointer || !utf8.ValidString(out) {
		out = out[:min(len(out)-1, maxPointer)]
	}

	return out
}

func (s *scanner) fault(pointer, detail string) {
	if len(s.faults) < maxFaults {
		s.faults = append(s.faults, problem.Field{Pointer: pointer, Detail: detail})
	}
}

// at makes the error of one place.
func (s *scanner) at(code, what, detail string) *problem.Error {
	pointer := s.pointer()

	return problem.New(code, "the member %s %s", pointer, what).With(problem.Field{Pointer: pointer, Detail: detail})
}

func (s *scanner) duplicate() *problem.Error {
	return s.at(problem.DuplicateMember, wording.Duplicate, wording.Duplicate)
}

func (s *scanner) unknown() *problem.Error {
	return s.at(problem.UnknownMember, "is unknown", wording.Unknown)
}
