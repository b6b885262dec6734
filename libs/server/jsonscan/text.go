package jsonscan

import (
	"encoding/binary"
	"math/bits"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// text is a string of the JSON text.
type text struct {
	raw     []byte // between the quotes
	escaped bool   // holds a backslash
}

// decoded is the text itself.
func (t text) decoded() []byte {
	if !t.escaped {
		return t.raw
	}

	return unescape(t.raw)
}

// text reads a string; the scanner stands on its opening quote.
func (s *scanner) text() (text, *problem.Error) {
	s.pos++
	start := s.pos
	escaped := false
	for {
		s.plain()
		if s.pos == len(s.data) {
			return text{}, s.malformed("has a string that does not end")
		}
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++

			return text{raw: s.data[start : s.pos-1], escaped: escaped}, nil
		case c == '\\':
			escaped = true
			if err := s.escape(); err != nil {
				return text{}, err
			}
		case c < ' ':
			return text{}, s.malformed("has a control character in a string")
		case c < utf8.RuneSelf:
			s.pos++
		default:
			_, size := utf8.DecodeRune(s.data[s.pos:])
			if size == 1 {
				return text{}, s.malformed("has a string that is not UTF-8")
			}
			s.pos += size
		}
	}
}

// Every byte of a word set to 0x01, and to 0x80.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plain passes over characters that need no look: eight bytes at a time while none is a quote, a backslash, a control character or
// part of a character beyond ASCII. A subtraction borrows into bit 7 of the lowest byte that is below the subtrahend, so the lowest
// marked byte is right even where higher ones are not.
func (s *scanner) plain() {
	for len(s.data)-s.pos >= 8 {
		word := binary.LittleEndian.Uint64(s.data[s.pos:])
		quote, slash := word^(ones*'"'), word^(ones*'\\')
		marks := ((word-ones*' ')&^word | (quote-ones)&^quote | (slash-ones)&^slash | word) & highs
		if marks != 0 {
			s.pos += bits.TrailingZeros64(marks) / 8

			return
		}
		s.pos += 8
	}
}

// escape reads an escape sequence; the scanner stands on the backslash.
func (s *scanner) escape() *problem.Error {
	if s.pos+1 == len(s.data) {
		return s.malformed("has a string that does not end")
	}
	if s.data[s.pos+1] != 'u' {
		if strings.IndexByte(`"\/bfnrt`, s.data[s.pos+1]) < 0 {
			return s.malformed("has an unknown escape sequence")
		}
		s.pos += 2

		return nil
	}
	unit, ok := hexUnit(s.data[s.pos:])
	if !ok {
		return s.malformed("has an unknown escape sequence")
	}
	size := 6
	if utf16.IsSurrogate(unit) {
		low, ok := hexUnit(s.data[s.pos+6:])
		if !ok || utf16.DecodeRune(unit, low) == utf8.RuneError {
			return s.malformed("has half of a surrogate pair")
		}
		size = 12
	}
	s.pos += size

	return nil
}

// hexUnit reads \uXXXX.
func hexUnit(in []byte) (rune, bool) {
	if len(in) < 6 || in[0] != '\\' || in[1] != 'u' {
		return 0, false
	}
	var unit rune
	for _, c := range in[2:6] {
		switch {
		case isDigit(c):
			unit = unit<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			unit = unit<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			unit = unit<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}

	return unit, true
}

// unescape decodes a string that text has accepted.
func unescape(raw []byte) []byte {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			out = append(out, raw[i])

			continue
		}
		i++
		switch raw[i] {
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
			unit, _ := hexUnit(raw[i-1:])
			i += 4
			if utf16.IsSurrogate(unit) {
				low, _ := hexUnit(raw[i+1:])
				unit = utf16.DecodeRune(unit, low)
				i += 6
			}
			out = utf8.AppendRune(out, unit)
		default:
			out = append(out, raw[i])
		}
	}

	return out
}
