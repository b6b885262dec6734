// Package strictjson reads JSON objects that came from outside, in one pass and without reflection,
// and accepts only what has one meaning: no duplicate members at any depth (RFC 8725 section 2.4,
// RFC 7515 section 4), no invalid UTF-8, no lone surrogates, no trailing data, bounded nesting. Its
// main function is [Object]; the grammar is RFC 8259.
package strictjson

import (
	"bytes"
	"errors"
	"fmt"
)

// maxDepth bounds nesting. Keys, key sets and JOSE headers need 4 levels.
const maxDepth = 16

var (
	errSyntax    = errors.New("malformed JSON")
	errDepth     = errors.New("JSON nested too deeply")
	errTrailing  = errors.New("data after the end of the JSON")
	errUTF8      = errors.New("invalid UTF-8 or a lone surrogate in a JSON string")
	errNotObject = errors.New("not a JSON object")
	errNotArray  = errors.New("not a JSON array")
	errNotString = errors.New("not a JSON string")
)

// Object reads text as one JSON object. The whole text is checked before Object returns nil. member
// is called for each member of the object itself, in order, with the decoded name and the text of
// the value, which is a part of text. An error from member ends the reading.
func Object(text []byte, member func(name, value []byte) error) error {
	s := scanner{text: text}
	s.skipSpace()
	if s.peek() != '{' {
		return errNotObject
	}
	if err := s.object(member); err != nil {
		return err
	}
	return s.end()
}

// Array reads text as one JSON array and calls element with the text of each of its elements.
func Array(text []byte, element func(value []byte) error) error {
	s := scanner{text: text}
	s.skipSpace()
	if s.peek() != '[' {
		return errNotArray
	}
	if err := s.array(element); err != nil {
		return err
	}
	return s.end()
}

type scanner struct {
	text  []byte
	pos   int
	depth int
}

// peek returns the next byte, or 0 at the end (0 is no byte of JSON outside strings).
func (s *scanner) peek() byte {
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}

func (s *scanner) skipSpace() {
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

func (s *scanner) end() error {
	s.skipSpace()
	if s.pos != len(s.text) {
		return errTrailing
	}
	return nil
}

func (s *scanner) enter() error {
	s.pos++
	s.depth++
	if s.depth > maxDepth {
		return errDepth
	}
	s.skipSpace()
	return nil
}

// next moves past the separator after a member or an element, or past the closing byte.
func (s *scanner) next(closing byte) (more bool, err error) {
	s.skipSpace()
	switch s.peek() {
	case ',':
		s.pos++
		s.skipSpace()
		return true, nil
	case closing:
		s.pos++
		s.depth--
		return false, nil
	default:
		return false, errSyntax
	}
}

func (s *scanner) object(member func(name, value []byte) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	if s.peek() == '}' {
		s.pos++
		s.depth--
		return nil
	}
	var names nameSet
	for {
		token, escaped, err := s.stringToken()
		if err != nil {
			return err
		}
		name := token[1 : len(token)-1]
		if escaped {
			name = unescape(name)
		}
		if !names.add(name) {
			return fmt.Errorf("duplicate member %.64q", name)
		}
		s.skipSpace()
		if s.peek() != ':' {
			return errSyntax
		}
		s.pos++
		s.skipSpace()
		start := s.pos
		if err := s.value(); err != nil {
			return err
		}
		if member != nil {
			if err := member(name, s.text[start:s.pos]); err != nil {
				return err
			}
		}
		more, err := s.next('}')
		if err != nil || !more {
			return err
		}
	}
}

func (s *scanner) array(element func(value []byte) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	if s.peek() == ']' {
		s.pos++
		s.depth--
		return nil
	}
	for {
		start := s.pos
		if err := s.value(); err != nil {
			return err
		}
		if element != nil {
			if err := element(s.text[start:s.pos]); err != nil {
				return err
			}
		}
		more, err := s.next(']')
		if err != nil || !more {
			return err
		}
	}
}

func (s *scanner) value() error {
	switch c := s.peek(); {
	case c == '"':
		_, _, err := s.stringToken()
		return err
	case c == '{':
		return s.object(nil)
	case c == '[':
		return s.array(nil)
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	case c == '-' || isDigit(c):
		return s.number()
	default:
		return errSyntax
	}
}

func (s *scanner) literal(word string) error {
	if !bytes.HasPrefix(s.text[s.pos:], []byte(word)) {
		return errSyntax
	}
	s.pos += len(word)
	return nil
}

// number follows RFC 8259 section 6: no leading zeros, no plus sign before the integer part, digits
// on both sides of the point.
func (s *scanner) number() error {
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
	} else if !s.digits() {
		return errSyntax
	}
	if s.peek() == '.' {
		s.pos++
		if !s.digits() {
			return errSyntax
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if !s.digits() {
			return errSyntax
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	start := s.pos
	for isDigit(s.peek()) {
		s.pos++
	}
	return s.pos > start
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
