package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
)

// kind is how a type appears in a configuration.
type kind int

const (
	kindScalar  kind = iota // one text or number
	kindSection             // a struct: fixed keys
	kindTable               // a map: free keys
	kindList                // a slice
)

// isText says whether values of a type read themselves from text.
func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// isSecret says whether a type is [Secret].
func isSecret(t reflect.Type) bool { return t == reflect.TypeFor[Secret]() }

// indirect is the type behind a pointer.
func indirect(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// kindOf sorts a type.
func kindOf(t reflect.Type) kind {
	t = indirect(t)
	if isSecret(t) || isText(t) {
		return kindScalar
	}
	switch t.Kind() {
	case reflect.Struct:
		return kindSection
	case reflect.Map:
		return kindTable
	case reflect.Slice:
		return kindList
	default:
		return kindScalar
	}
}

// field is a key of a section.
type field struct {
	key   string
	index []int
	typ   reflect.Type
	path  bool // a string that is a Path
	live  bool // a running program takes it over

	section reflect.Type // that holds the field
	name    string       // of the field
}

// fieldsOf lists the keys of a struct type in the order of its fields.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		key, option, skip := tagOf(f)
		switch {
		case skip:
		case option == optionSquash:
			for _, inner := range fieldsOf(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				inner.live = inner.live || isLive(f)
				fields = append(fields, inner)
			}
		default:
			fields = append(fields, field{
				key: key, index: []int{i}, typ: f.Type, path: option == optionPath, live: isLive(f), section: t, name: f.Name,
			})
		}
	}
	return fields
}

// Options of a field's tag.
const (
	optionSquash = "squash"
	optionPath   = "path"
)

// tagOf reads a field's koanf tag.
func tagOf(f reflect.StructField) (key, option string, skip bool) {
	key, option, _ = strings.Cut(f.Tag.Get("koanf"), ",")
	return key, option, key == "-" || !f.IsExported()
}

// isLive reads a field's live tag.
func isLive(f reflect.StructField) bool { return f.Tag.Get(tagLive) == "true" }

// keysOf lists a section's keys.
func keysOf(t reflect.Type) []string {
	var keys []string
	for _, f := range fieldsOf(t) {
		keys = append(keys, f.key)
	}
	return keys
}

// pathsOf lists the paths of all keys named key under t, for suggestions.
func pathsOf(t reflect.Type, key, path string) []string {
	var paths []string
	for _, f := range fieldsOf(t) {
		below := join(path, f.key)
		if f.key == key {
			paths = append(paths, below)
		}
		if kindOf(f.typ) == kindSection {
			paths = append(paths, pathsOf(indirect(f.typ), key, below)...)
		}
	}
	return paths
}

// checkType finds faults in the program: fields without a key, keys used twice, types that cannot be configured.
func checkType(t reflect.Type, path string) error {
	t = indirect(t)
	switch kindOf(t) {
	case kindSection:
		return checkSection(t, path)
	case kindTable:
		if t.Key().Kind() != reflect.String {
			return fmt.Errorf("%s: a map with %s keys cannot be configured", path, t.Key())
		}
		return checkType(t.Elem(), path+"[]")
	case kindList:
		return checkType(t.Elem(), path+"[]")
	}
	if isSecret(t) || isText(t) {
		return nil
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return nil
	}
	return fmt.Errorf("%s: a %s cannot be configured", path, t)
}

// usable says whether a field of that kind can have such a tag.
func usable(key, option string, k reflect.Kind) bool {
	switch option {
	case "":
		return key != ""
	case optionPath:
		return key != "" && k == reflect.String
	case optionSquash:
		return key == "" && k == reflect.Struct
	default:
		return false
	}
}

// checkSection checks the fields of a struct type.
func checkSection(t reflect.Type, path string) error {
	for i := range t.NumField() {
		f := t.Field(i)
		key, option, skip := tagOf(f)
		if skip {
			if key != "" && key != "-" {
				return fmt.Errorf("%s: field %s has a koanf tag but is not exported", t, f.Name)
			}
			continue
		}
		if !usable(key, option, f.Type.Kind()) {
			return fmt.Errorf("%s: field %s has no usable koanf tag", t, f.Name)
		}
		if err := checkType(f.Type, join(path, key)); err != nil {
			return err
		}
	}
	seen := map[string]bool{}
	for _, f := range fieldsOf(t) {
		if seen[f.key] {
			return fmt.Errorf("%s: two fields have the key %q", t, f.key)
		}
		seen[f.key] = true
	}
	return nil
}
