package jsonscan

import "github.com/cryptoutil/cryptoutil/libs/server/problem"

func (s *scanner) literal(shape *Shape, word string, kind Kinds) *problem.Error {
	if len(s.data)-s.pos < len(word) || string(s.data[s.pos:s.pos+len(word)]) != word {
		return s.malformed("has an unknown word")
	}
	s.pos += len(word)
	s.allowed(shape, kind)

	return nil
}

// number reads a number by the grammar of RFC 8259 section 6.
func (s *scanner) number(shape *Shape) *problem.Error {
	start := s.pos
	if s.data[s.pos] == '-' {
		s.pos++
	}
	switch {
	case s.pos < len(s.data) && s.data[s.pos] == '0':
		s.pos++
		if s.pos < len(s.data) && isDigit(s.data[s.pos]) {
			return s.malformed("has a number with a leading zero")
		}
	case !s.digits():
		return s.malformed("has a malformed number")
	}
	kind := Integer
	if s.pos < len(s.data) && s.data[s.pos] == '.' {
		kind = Number
		s.pos++
		if !s.digits() {
			return s.malformed("has a malformed number")
		}
	}
	if s.pos < len(s.data) && (s.data[s.pos] == 'e' || s.data[s.pos] == 'E') {
		kind = Number
		s.pos++
		if s.pos < len(s.data) && (s.data[s.pos] == '+' || s.data[s.pos] == '-') {
			s.pos++
		}
		if !s.digits() {
			return s.malformed("has a malformed number")
		}
	}
	if s.allowed(shape, kind) && kind == Integer {
		s.checkInteger(shape, s.data[start:s.pos])
	}

	return nil
}

// digits passes over one digit or more.
func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.data) && isDigit(s.data[s.pos]) {
		s.pos++
	}

	return s.pos > start
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
