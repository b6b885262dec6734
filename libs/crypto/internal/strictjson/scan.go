// Package strictjson reads JSON objects that came from outside, in one pass and without reflection,
// and accepts only what has one meaning: no duplicate members at any depth (RFC 8725 section 2.4,
// RFC 7515 section 4), no invalid UTF-8, no lone surrogates, no trailing data, bounded nesting. Its
// main function is [Object]; the grammar is RFC 8259.
package strictjson

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds nesting. Keys, key sets and JOSE headers need 4 levels.
const maxDepth = 16

var (
	errSyntax    = errors.New("json: malformed")
	errDepth     = errors.New("json: nested too deeply")
	errTrailing  = errors.New("json: data after the end")
	errUTF8      = errors.New("json: invalid UTF-8 or lone surrogate in a string")
	errNotObject = errors.New("json: not an object")
	errNotArray  = errors.New("json: not an array")
	errNotString = errors.New("json: not a string")
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
			return fmt.Errorf("json: duplicate member %.64q", name)
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

// stringToken reads a string with its quotes and says whether it has escapes.
func (s *scanner) stringToken() (token []byte, escaped bool, err error) {
	if s.peek() != '"' {
		return nil, false, errSyntax
	}
	start := s.pos
	s.pos++
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; {
		case c == '"':
			s.pos++
			return s.text[start:s.pos], escaped, nil
		case c == '\\':
			escaped = true
			if err := s.escape(); err != nil {
				return nil, false, err
			}
		case c < ' ':
			return nil, false, errSyntax
		case c < utf8.RuneSelf:
			s.pos++
		default:
			r, size := utf8.DecodeRune(s.text[s.pos:])
			if r == utf8.RuneError && size == 1 {
				return nil, false, errUTF8
			}
			s.pos += size
		}
	}
	return nil, false, errSyntax
}

// escape checks one escape sequence; surrogates must come in pairs.
func (s *scanner) escape() error {
	s.pos++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos++
		return nil
	case 'u':
		high, ok := hex4(s.text, s.pos+1)
		if !ok {
			return errSyntax
		}
		s.pos += 5
		if !utf16.IsSurrogate(high) {
			return nil
		}
		if !bytes.HasPrefix(s.text[s.pos:], []byte(`\u`)) {
			return errUTF8
		}
		low, ok := hex4(s.text, s.pos+2)
		if !ok || utf16.DecodeRune(high, low) == utf8.RuneError {
			return errUTF8
		}
		s.pos += 6
		return nil
	default:
		return errSyntax
	}
}

func hex4(text []byte, at int) (rune, bool) {
	if at+4 > len(text) {
		return 0, false
	}
	var r rune
	for _, c := range text[at : at+4] {
		switch {
		case isDigit(c):
			r = r<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// unescape decodes the inside of a string that stringToken accepted.
func unescape(inside []byte) []byte {
	out := make([]byte, 0, len(inside))
	for i := 0; i < len(inside); i++ {
		if inside[i] != '\\' {
			out = append(out, inside[i])
			continue
		}
		i++
		switch c := inside[i]; c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, _ := hex4(inside, i+1)
			i += 4
			if utf16.IsSurrogate(r) {
				low, _ := hex4(inside, i+3)
				r = utf16.DecodeRune(r, low)
				i += 6
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, c)
		}
	}
	return out
}
