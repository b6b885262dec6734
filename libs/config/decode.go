package config

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// decode writes the values of a merged tree into v. Keys that checkShape has reported are passed over. What v refers to is
// replaced, never changed, because it belongs to the caller's defaults.
func (l *loader) decode(v reflect.Value, tree any, path string) {
	mapping, in := l.open(tree)
	switch k := kindOf(v.Type()); {
	case k == kindSection && mapping != nil:
		l.decodeSection(target(v), mapping, path)
	case k == kindTable && mapping != nil:
		l.decodeTable(target(v), mapping, path)
	case k == kindList && mapping == nil:
		l.decodeList(target(v), in, path)
	case k == kindScalar && mapping == nil && !in.list:
		l.decodeScalar(target(v), in, path)
	}
}

// target is the value behind a pointer, fresh, or the value itself.
func target(v reflect.Value) reflect.Value {
	if v.Kind() == reflect.Pointer {
		return fresh(v)
	}
	return v
}

func (l *loader) decodeSection(v reflect.Value, mapping map[string]any, path string) {
	for _, f := range fieldsOf(v.Type()) {
		if below, ok := mapping[f.key]; ok {
			value := v.FieldByIndex(f.index)
			l.decode(value, below, join(path, f.key))
			if _, in := l.open(below); f.path && in.origin.layer == layerFile {
				value.SetString(Path(value.String()).under(l.file))
			}
		}
	}
}

func (l *loader) decodeTable(v reflect.Value, mapping map[string]any, path string) {
	table := reflect.MakeMapWithSize(v.Type(), v.Len()+len(mapping))
	for _, key := range v.MapKeys() {
		table.SetMapIndex(key, v.MapIndex(key))
	}
	for _, name := range slices.Sorted(maps.Keys(mapping)) {
		key := reflect.ValueOf(name).Convert(v.Type().Key())
		value := reflect.New(v.Type().Elem()).Elem()
		if old := table.MapIndex(key); old.IsValid() {
			value.Set(old)
		}
		l.decode(value, mapping[name], join(path, name))
		table.SetMapIndex(key, value)
	}
	v.Set(table)
}

func (l *loader) decodeList(v reflect.Value, in input, path string) {
	if in.tag == "" {
		if kindOf(v.Type().Elem()) != kindScalar || isSecret(indirect(v.Type().Elem())) {
			l.report(in.origin, path, "cannot be set from "+in.origin.layer.String(), "write it in the configuration file")
			return
		}
		for text := range strings.SplitSeq(in.text, ",") {
			if text = strings.TrimSpace(text); text != "" {
				in.items = append(in.items, l.add(input{origin: in.origin, text: text}))
			}
		}
	} else if !in.list {
		return
	}
	list := reflect.MakeSlice(v.Type(), len(in.items), len(in.items))
	for i, item := range in.items {
		l.decode(list.Index(i), item, element(path, i))
	}
	v.Set(list)
}

// decodeScalar writes one value and reports it when it is of another type.
func (l *loader) decodeScalar(v reflect.Value, in input, path string) {
	if isSecret(v.Type()) {
		if secret, err := in.reference(); err == nil { // else checkReference has reported it
			v.Set(reflect.ValueOf(secret))
		}
		return
	}
	if in.tag == "!!null" {
		l.report(in.origin, path, "has no value", `remove the key, or write a value ("" for none)`)
		return
	}
	if message, suggestion := assign(v, in); message != "" {
		l.report(in.origin, path, message, suggestion)
		return
	}
	if v.Type() == reflect.TypeFor[Path]() && in.origin.layer == layerFile {
		v.SetString(Path(v.String()).under(l.file))
	}
}

// assign converts text to the type of v; message is empty when it worked.
func assign(v reflect.Value, in input) (message, suggestion string) {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(in.text)); err != nil {
			return fmt.Sprintf("%s: %v", quote(in.text), err), ""
		}
		return "", ""
	}
	if v.Type() == reflect.TypeFor[time.Duration]() {
		return assignDuration(v, in)
	}
	switch v.Kind() {
	case reflect.String:
		if !slices.Contains([]string{"", "!!str", "!!timestamp"}, in.tag) {
			return quote(in.text) + " is not text", fmt.Sprintf("put it in quotes: %q", in.text)
		}
		v.SetString(in.text)
		return "", ""
	case reflect.Bool:
		return assignBool(v, in)
	case reflect.Float32, reflect.Float64:
		return assignFloat(v, in)
	default:
		return assignInteger(v, in)
	}
}

func assignDuration(v reflect.Value, in input) (message, suggestion string) {
	d, err := time.ParseDuration(in.text)
	if err != nil {
		suggestion = `write a number with a unit, such as "10s", "5m" or "24h"`
		if _, err := strconv.ParseUint(in.text, 10, 63); err == nil {
			suggestion = fmt.Sprintf(`write the unit: "%ss" for seconds`, in.text)
		}
		return quote(in.text) + " is not a duration", suggestion
	}
	v.SetInt(int64(d))
	return "", ""
}

func assignBool(v reflect.Value, in input) (message, suggestion string) {
	switch {
	case in.tag == "!!str":
		return quote(in.text) + " is text, not true or false", "write true or false, without quotes"
	case in.text == "true" || in.text == "True" || in.text == "TRUE":
		v.SetBool(true)
	case in.text == "false" || in.text == "False" || in.text == "FALSE":
		v.SetBool(false)
	default:
		return quote(in.text) + " is not true or false", ""
	}
	return "", ""
}

func assignInteger(v reflect.Value, in input) (message, suggestion string) {
	node := yaml.Node{Kind: yaml.ScalarNode, Value: in.text}
	if in.tag == "!!str" && node.ShortTag() == "!!int" {
		return quote(in.text) + " is text, not a whole number", "write it without quotes"
	}
	if node.ShortTag() != "!!int" {
		return quote(in.text) + " is not a whole number", ""
	}
	if err := node.Decode(v.Addr().Interface()); err != nil {
		return quote(in.text) + " is out of range", ""
	}
	return "", ""
}

func assignFloat(v reflect.Value, in input) (message, suggestion string) {
	number, err := strconv.ParseFloat(in.text, v.Type().Bits())
	if err != nil || in.tag == "!!str" || number-number != 0 {
		return quote(in.text) + " is not a number", ""
	}
	v.SetFloat(number)
	return "", ""
}

// quote shows a value in a message, shortened.
func quote(text string) string {
	const most = 60
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return strconv.Quote(text)
}

// String names the layer in messages.
func (l layer) String() string {
	return [...]string{"the file", "the environment", "the command line"}[l]
}
