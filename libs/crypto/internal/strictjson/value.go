package strictjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"
)

// String decodes the text of a JSON string.
func String(value []byte) (string, error) {
	inside, err := Bytes(value)
	return string(inside), err
}

// Bytes is String without a copy: the result is part of value wherever the text has no escapes.
func Bytes(value []byte) ([]byte, error) {
	s := scanner{text: value}
	token, escaped, err := s.stringToken()
	if err != nil {
		return nil, errNotString
	}
	if err := s.end(); err != nil {
		return nil, err
	}
	inside := token[1 : len(token)-1]
	if escaped {
		inside = unescape(inside)
	}
	return inside, nil
}

// Strings decodes the text of an array of strings.
func Strings(value []byte) ([]string, error) {
	var list []string
	err := Array(value, func(element []byte) error {
		text, err := String(element)
		list = append(list, text)
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// Value decodes the text of any JSON value into string, bool, nil, [json.Number], []any or map[string]any.
func Value(value []byte) (any, error) {
	value = bytes.TrimSpace(value)
	if len(value) == 0 {
		return nil, errSyntax
	}
	switch value[0] {
	case '"':
		return String(value)
	case '{':
		members := map[string]any{}
		err := Object(value, func(name, text []byte) error {
			v, err := Value(text)
			members[string(name)] = v
			return err
		})
		if err != nil {
			return nil, err
		}
		return members, nil
	case '[':
		elements := []any{}
		err := Array(value, func(text []byte) error {
			v, err := Value(text)
			elements = append(elements, v)
			return err
		})
		if err != nil {
			return nil, err
		}
		return elements, nil
	}
	s := scanner{text: value}
	if err := s.value(); err != nil {
		return nil, err
	}
	if err := s.end(); err != nil {
		return nil, err
	}
	switch string(value) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "null":
		return nil, nil
	default:
		return json.Number(value), nil
	}
}

const hexDigits = "0123456789abcdef"

// AppendString appends text as a JSON string. Bytes that are not UTF-8 become U+FFFD.
func AppendString(dst []byte, text string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(text[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(append(dst, text[start:i]...), "\ufffd"...)
				start = i + size
			}
			i += size
			continue
		}
		dst = append(dst, text[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
		}
		i++
		start = i
	}
	return append(append(dst, text[start:]...), '"')
}

// AppendMember appends "name":value to an object under construction, with a comma unless it is the first.
func AppendMember(dst []byte, name, value string) []byte {
	dst = AppendName(dst, name)
	return AppendString(dst, value)
}

// AppendName appends "name": to an object under construction, with a comma unless it is the first.
func AppendName(dst []byte, name string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return append(AppendString(dst, name), ':')
}

// AppendValue appends any value as JSON; maps in the order of their names.
func AppendValue(dst []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case string:
		return AppendString(dst, v), nil
	case nil:
		return append(dst, "null"...), nil
	case map[string]any:
		dst, err := AppendMembers(append(dst, '{'), v)
		return append(dst, '}'), err
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encode %T as JSON: %w", value, err)
	}
	return append(dst, text...), nil
}

// AppendMembers appends the members of a map, in the order of their names, to an object under
// construction.
func AppendMembers(dst []byte, members map[string]any) ([]byte, error) {
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	var err error
	for _, name := range names {
		dst = AppendName(dst, name)
		if dst, err = AppendValue(dst, members[name]); err != nil {
			return nil, err
		}
	}
	return dst, nil
}
