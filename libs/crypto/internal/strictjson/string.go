package strictjson

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

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
