package jsonscan

import (
	"strconv"

	"github.com/cryptoutil/cryptoutil/libs/server/internal/wording"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Reader takes a JSON text apart where decoding into a structure would cost more than what is done with it. It is as strict as Scan: what Scan
// refuses for its form, a Reader refuses. It begins with the text's one value; Close makes sure that nothing follows. Its errors are those of
// Scan, with the code validation_failed for a value of another type than the one asked for.
type Reader struct {
	s scanner
}

// NewReader begins to read a text, which nobody may change meanwhile.
func NewReader(text []byte) *Reader {
	r := &Reader{}
	r.Reset(text)

	return r
}

// Reset begins to read another text.
func (r *Reader) Reset(text []byte) {
	r.s.data, r.s.pos, r.s.depth, r.s.names = text, 0, 0, r.s.names[:0]
	r.s.space()
}

// Close fails if data follows the value.
func (r *Reader) Close() error {
	s := &r.s
	s.space()
	if s.pos < len(s.data) {
		return problem.New(problem.TrailingData, "data follows the JSON value at byte %d", s.pos)
	}
	return nil
}

// Object reads an object: member is called for the name of each one, and reads its value. A name that appears twice is an error.
func (r *Reader) Object(member func(name []byte) error) error {
	s := &r.s
	if !s.at1('{') {
		return r.mistyped("object")
	}
	if s.depth == MaxDepth {
		return s.tooDeep()
	}
	at := s.depth
	s.depth++
	s.pos++
	o := members{scanner: s, base: len(s.names)}
	for s.space(); ; s.space() {
		if o.count == 0 && s.at1('}') {
			break
		}
		if !s.at1('"') {
			return s.malformed("has no member name where one is expected")
		}
		name, err := s.text()
		if err != nil {
			return err
		}
		s.path[at] = step{name: name.raw}
		if _, err := o.see(name); err != nil {
			return err
		}
		s.space()
		if !s.at1(':') {
			return s.malformed("has no colon after a member name")
		}
		s.pos++
		s.space()
		if err := member(name.decoded()); err != nil {
			return err
		}
		s.space()
		if !s.at1(',') {
			break
		}
		s.pos++
	}
	if !s.at1('}') {
		return s.malformed("has an object that does not end")
	}
	s.pos++
	s.depth--
	o.end()
	return nil
}

// Array reads an array: item is called for each value, and reads it.
func (r *Reader) Array(item func(index int) error) error {
	s := &r.s
	if !s.at1('[') {
		return r.mistyped("array")
	}
	if s.depth == MaxDepth {
		return s.tooDeep()
	}
	at := s.depth
	s.depth++
	s.pos++
	count := 0
	for s.space(); ; s.space() {
		if count == 0 && s.at1(']') {
			break
		}
		s.path[at] = step{index: count}
		if err := item(count); err != nil {
			return err
		}
		count++
		s.space()
		if !s.at1(',') {
			break
		}
		s.pos++
	}
	if !s.at1(']') {
		return s.malformed("has an array that does not end")
	}
	s.pos++
	s.depth--
	return nil
}

// Text reads a string. The bytes are part of the text where it spells them without escapes.
func (r *Reader) Text() ([]byte, error) {
	if !r.s.at1('"') {
		return nil, r.mistyped("string")
	}
	t, err := r.s.text()
	if err != nil {
		return nil, err
	}
	return t.decoded(), nil
}

// Integer reads an integer of 64 bits.
func (r *Reader) Integer() (int64, error) {
	s := &r.s
	start := s.pos
	if s.pos == len(s.data) || s.data[s.pos] != '-' && !isDigit(s.data[s.pos]) {
		return 0, r.mistyped("integer")
	}
	if err := s.number(nil); err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(s.data[start:s.pos]), 10, 64)
	if err != nil {
		s.pos = start
		return 0, r.mistyped("integer")
	}
	return n, nil
}

// Raw passes over a value of any type and returns its text.
func (r *Reader) Raw() ([]byte, error) {
	start := r.s.pos
	if err := r.s.value(nil); err != nil {
		return nil, err
	}
	return r.s.data[start:r.s.pos], nil
}

// Unknown is the error for a member, the one being read, that nobody knows.
func (r *Reader) Unknown() error { return r.s.unknown() }

// mistyped is the error for a value that is of another type, or for none.
func (r *Reader) mistyped(want string) error {
	before := r.s.pos
	if err := r.s.value(nil); err != nil {
		return err
	}
	r.s.pos = before
	pointer := r.s.pointer()
	return problem.New(problem.ValidationFailed, "the body does not fit the operation").With(problem.Field{Pointer: pointer, Detail: wording.Type([]string{want})})
}

// at1 tells whether the scanner stands on c.
func (s *scanner) at1(c byte) bool { return s.pos < len(s.data) && s.data[s.pos] == c }
