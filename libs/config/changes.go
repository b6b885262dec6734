package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// tagLive marks a field that a running program takes over: `live:"true"`, on a section for all that is in it.
const tagLive = "live"

// Change is a key whose value differs between two configurations.
type Change struct {
	// Path is the dotted key path.
	Path string
	// Live tells that a running program takes it over; others need a restart.
	Live bool
}

// Changes lists the keys, in the order of the structs' fields, in which two configurations of the same struct type differ. Secrets differ
// when they refer to other files; what the files hold is not looked at.
func Changes(before, after any) []Change {
	a, b := reflect.Indirect(reflect.ValueOf(before)), reflect.Indirect(reflect.ValueOf(after))
	if a.Type() != b.Type() || a.Kind() != reflect.Struct {
		panic(fmt.Sprintf("config: changes between a %T and a %T", before, after))
	}
	return changes(a, b, "", false)
}

func changes(a, b reflect.Value, path string, live bool) []Change {
	var found []Change
	for _, f := range fieldsOf(a.Type()) {
		inA, inB := a.FieldByIndex(f.index), b.FieldByIndex(f.index)
		below, isLive := join(path, f.key), live || f.live
		if kindOf(f.typ) == kindSection && f.typ.Kind() == reflect.Struct {
			found = append(found, changes(inA, inB, below, isLive)...)
			continue
		}
		if !reflect.DeepEqual(inA.Interface(), inB.Interface()) {
			found = append(found, Change{Path: below, Live: isLive})
		}
	}
	return found
}

// Key is a key that a configuration has, for those who describe it.
type Key struct {
	// Path is the dotted key path; [] stands for an element of a list or table.
	Path string
	// Type says in a word what it takes.
	Type string
	// Default is what it has when nobody sets it, as it would be written; "" for nothing.
	Default string
	// Live tells that a running program takes it over.
	Live bool
	// Section is the struct type that holds the field, and Field the field's name: where its description stands.
	Section reflect.Type
	Field   string
}

// Keys lists every key of a configuration, a struct that holds the defaults, in the order of its fields.
func Keys(defaults any) []Key {
	v := reflect.Indirect(reflect.ValueOf(defaults))
	return keys(v, v.Type(), "", false)
}

// keys lists those of a section. v is invalid where there are no defaults: below a list or a table.
func keys(v reflect.Value, t reflect.Type, path string, live bool) []Key {
	var all []Key
	for _, f := range fieldsOf(t) {
		var value reflect.Value
		if v.IsValid() {
			value = v.FieldByIndex(f.index)
		}
		key := Key{Path: join(path, f.key), Live: live || f.live, Type: typeWord(f), Section: f.section, Field: f.name}
		typ := indirect(f.typ)
		switch k := kindOf(typ); {
		case k == kindSection:
			if value.IsValid() {
				value = reflect.Indirect(value)
			}
			all = append(all, keys(value, typ, key.Path, key.Live)...)
			continue
		case k != kindScalar && kindOf(typ.Elem()) == kindSection:
			all = append(all, key)
			all = append(all, keys(reflect.Value{}, indirect(typ.Elem()), key.Path+"[]", key.Live)...)
			continue
		}
		if value.IsValid() {
			key.Default = written(value)
		}
		all = append(all, key)
	}
	return all
}

// typeWord says what a key takes.
func typeWord(f field) string {
	t := indirect(f.typ)
	switch kindOf(t) {
	case kindList:
		return "list of " + typeWord(field{typ: t.Elem()})
	case kindTable:
		return "table of " + typeWord(field{typ: t.Elem()})
	case kindSection:
		return "section"
	case kindScalar:
	}
	switch {
	case f.path || t == reflect.TypeFor[Path]():
		return "path"
	case isSecret(t):
		return "secret file"
	case t == reflect.TypeFor[time.Duration]():
		return "duration"
	case t == reflect.TypeFor[ByteSize]():
		return "size"
	case isText(t):
		return "text"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.String:
		return "text"
	default:
		return "whole number"
	}
}

// written is a value as a file would have it; "" for the zero value of a text, list or table.
func written(v reflect.Value) string {
	v = reflect.Indirect(v)
	if !v.IsValid() || isSecret(v.Type()) {
		return ""
	}
	switch kindOf(v.Type()) {
	case kindTable:
		var parts []string
		for _, key := range slices.SortedFunc(maps.Keys(mapOf(v)), func(a, b string) int { return slices.Compare([]byte(a), []byte(b)) }) {
			parts = append(parts, key+": "+mapOf(v)[key])
		}
		return joined("{", parts, "}")
	case kindList:
		var parts []string
		for i := range v.Len() {
			parts = append(parts, written(v.Index(i)))
		}
		return joined("[", parts, "]")
	default:
		if d, ok := v.Interface().(time.Duration); ok {
			return shortest(d)
		}
		return fmt.Sprint(v.Interface())
	}
}

// shortest writes a duration without the zeros at its end: 30m, not 30m0s.
func shortest(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func mapOf(v reflect.Value) map[string]string {
	texts := map[string]string{}
	for iterator := v.MapRange(); iterator.Next(); {
		texts[iterator.Key().String()] = written(iterator.Value())
	}
	return texts
}

func joined(open string, parts []string, end string) string {
	if len(parts) == 0 {
		return ""
	}
	text := open
	for i, part := range parts {
		if i > 0 {
			text += ", "
		}
		text += part
	}
	return text + end
}
